import type { ApiClient } from '../../cli/api-client.ts'
import { createContext } from '../../cli/context.ts'
import { buildProgram } from '../../cli/program.ts'
import { FakeClock } from '../fakes/clock.ts'

/** What a server says at a path: a value, or what a function of the body returns or throws. */
export type Answers = Readonly<Record<string, unknown>>

/**
 * Runs one command line against a server that answers from a table; returns what it printed and what was asked. What
 * is printed goes to `printed` at once, for commands that end with an error.
 */
export async function runCommand(
  line: string,
  answers: Answers = {},
  { clock = new FakeClock(0), printed = [] }: { clock?: FakeClock; printed?: string[] } = {},
) {
  const asked: string[] = []
  const answer = async <T>(method: string, path: string, body = ''): Promise<T> => {
    asked.push(`${method} ${path}${body === '' ? '' : ` ${body}`}`)
    const said = answers[path] ?? answers[path.split('?')[0] ?? '']
    return (typeof said === 'function' ? said(body) : said) as T
  }
  const api: ApiClient = {
    get: path => answer('GET', path),
    post: (path, body) => answer('POST', path, body),
    delete: path => answer('DELETE', path),
  }
  const context = createContext(
    clock,
    text => printed.push(text),
    () => api,
    async () => api,
  )
  const program = buildProgram(context).configureOutput({ writeErr() {}, writeOut() {} })
  for (const command of program.commands) command.configureOutput({ writeErr() {}, writeOut() {} })
  await program.parseAsync(line.split(' '), { from: 'user' })
  return { printed: printed.join('\n'), asked }
}
