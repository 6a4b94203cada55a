import { readFileSync } from 'node:fs'

/**
 * The examples of a page of documentation: below each heading fences of `yaml`, which are applied, and of `sh`, whose
 * commands are run one after the other. A comment `# => this, that` below a command says what to expect of it.
 */
export interface PageExample {
  /** The heading it stands below. */
  readonly title: string
  readonly steps: readonly PageStep[]
}

export type PageStep =
  /** Resources to apply; with a name, which the first line tells as a comment, a file that a command will name. */
  | { readonly kind: 'yaml'; readonly text: string; readonly file?: string }
  | { readonly kind: 'command'; readonly line: string; readonly expected: readonly string[] }

const fence = /^```(\w*)\n([\s\S]*?)^```$/gm

/** Reads all examples of a page; throws on a fence that is neither of the kinds above nor plain text. */
export function pageExamples(path: string): readonly PageExample[] {
  const [, ...sections] = readFileSync(path, 'utf8').split(/^#{2,3} /m)
  return sections.flatMap(section => {
    const steps = [...section.matchAll(fence)].flatMap(([, language, text = '']) => stepsOf(language ?? '', text))
    return steps.length === 0 ? [] : [{ title: section.split('\n')[0] ?? '', steps }]
  })
}

function stepsOf(language: string, text: string): readonly PageStep[] {
  if (language === '') return []
  if (language === 'yaml') {
    const [, file] = /^# (\S+\.yaml)\n/.exec(text) ?? []
    return [file === undefined ? { kind: 'yaml', text } : { kind: 'yaml', text, file }]
  }
  if (language !== 'sh') throw new Error(`no test knows what to do with a fence of ${language}`)
  const commands: { kind: 'command'; line: string; expected: string[] }[] = []
  for (const line of text.replaceAll('\\\n', '').split('\n')) {
    const [, expected] = /^# => (.*)$/.exec(line) ?? []
    if (expected !== undefined) commands.at(-1)?.expected.push(...expected.split(', '))
    else if (line.startsWith('#')) throw new Error(`a comment that no test reads: ${line}`)
    else if (line.trim() !== '') commands.push({ kind: 'command', line, expected: [] })
  }
  return commands
}

/** What a command has given: its exit status, all that it printed, and how long it took. */
export interface Outcome {
  readonly code: number
  readonly output: string
  readonly tookMs: number
}

/** Why an expectation of a page does not hold; undefined when it does. */
export function unmet(expected: string, { code, output, tookMs }: Outcome): string | undefined {
  const holds = (is: boolean, found: string) => (is ? undefined : `expected ${expected}, got ${found}`)
  const statuses = [...output.matchAll(/^HTTP\/\S+ (\d{3})/gm)].map(([, status]) => status)
  if (/^\d{3}$/.test(expected)) return holds(statuses.includes(expected), statuses.join(' ') || output)
  const [, percent, word] = /^(\d+) % (\S+)$/.exec(expected) ?? []
  if (percent !== undefined && word !== undefined) {
    // by the status, or by the first word of the bodies
    const all = /^\d{3}$/.test(word) ? statuses : answerers(output)
    const count = all.filter(one => one === word).length
    const wanted = (all.length * Number(percent)) / 100
    const chance = 4 * Math.sqrt(wanted * (1 - Number(percent) / 100))
    return holds(all.length > 0 && Math.abs(count - wanted) <= chance, `${count} of ${all.length}`)
  }
  if (expected === 'always the same') {
    const all = answerers(output)
    return holds(all.length > 1 && new Set(all).size === 1, all.join(' '))
  }
  if (expected === 'fails') return holds(code !== 0, output)
  const [, bound, seconds] = /^(after|within) ([\d.]+) s$/.exec(expected) ?? []
  if (bound === 'after') return holds(tookMs >= Number(seconds) * 1000, `${tookMs} ms`)
  if (bound === 'within') return holds(tookMs <= Number(seconds) * 1000, `${tookMs} ms`)
  const [, absent] = /^not (.*)$/.exec(expected) ?? []
  if (absent !== undefined) return holds(!output.includes(absent), output)
  return holds(output.includes(expected), output)
}

/** Who has answered, by the first words of all answers. */
function answerers(output: string): readonly string[] {
  return [...output.matchAll(/^(\S+) GET \//gm)].map(([, name]) => name ?? '')
}
