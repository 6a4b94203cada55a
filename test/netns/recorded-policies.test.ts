import { execFile } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { isListed, needlessNames, sectionOf } from '../support/differences.ts'
import { authzCases } from '../support/istio-recordings.ts'
import { tokenCases } from '../support/istio-tokens.ts'
import type { ObservedCall } from './programs/recorded-policies.ts'

const program = join(import.meta.dirname, 'programs/recorded-policies.ts')
const run = promisify(execFile)

/** Sends the calls of a recording through an agent in a network namespace in which all addresses are local. */
async function observed(recording: 'authz' | 'jwt'): Promise<ReadonlyMap<string, ObservedCall>> {
  const script = 'ip link set lo up && ip route add local 0.0.0.0/0 dev lo && exec "$0" "$@"'
  const command = ['--net', 'sh', '-c', script, process.execPath, program, recording]
  const { stdout } = await run('unshare', command, { maxBuffer: 64 * 1024 * 1024 })
  const calls = stdout
    .trim()
    .split('\n')
    .map((line): ObservedCall => JSON.parse(line))
  return new Map(calls.map(call => [call.id, call]))
}

interface Checks {
  comment(text: string): void
  fail(text: string): unknown
  same(found: unknown, wanted: unknown, text: string): unknown
  ok(found: boolean, text: string): unknown
}

/** Cases that the section says are different only through a running agent. */
function listedIn(section: string): readonly string[] {
  const [, seen = ''] = sectionOf(section).split('### Seen only through a running agent')
  return [...seen.matchAll(/`([a-z-]+-\d{3}(?:\/\d+)?)`/g)].flatMap(match => match[1] ?? [])
}

/** Checks that at least 98 % agree, and that all others are said to differ. */
function compare(t: Checks, name: string, section: string, ids: readonly string[], wrong: Map<string, string>) {
  const share = ((100 * (ids.length - wrong.size)) / ids.length).toFixed(2)
  t.comment(`${name} through an agent: ${ids.length - wrong.size} of ${ids.length} agree, ${share} %`)
  const listed = listedIn(section)
  for (const [id, found] of wrong) if (!isListed(id, listed)) t.fail(`${id}: ${found}`)
  t.same(needlessNames(listed, [...wrong.keys()]), [], 'what is listed does differ')
  t.ok(wrong.size <= ids.length / 50, 'nearly all agree')
}

t.test('recorded calls are allowed and refused by a running agent as by Istio, or it is said where not', async t => {
  const calls = await observed('authz')
  const cases = authzCases()
  const wrong = new Map<string, string>()
  for (const { id, result } of cases) {
    const wanted = result.status ?? (result.allow === true ? 200 : 0)
    const status = calls.get(id)?.status
    if (status !== wanted) wrong.set(id, `status ${status}, recorded ${wanted}`)
  }
  compare(
    t,
    'authz',
    'Authorization',
    cases.map(({ id }) => id),
    wrong,
  )
})

t.test('recorded tokens become for an application what they became in Istio, through a running agent', async t => {
  const calls = await observed('jwt')
  const cases = tokenCases()
  const wrong = new Map<string, string>()
  for (const { id, result } of cases) {
    const call = calls.get(id)
    const found = call === undefined ? ['not run'] : differences(result, call)
    if (found.length > 0) wrong.set(id, found.join('; '))
  }
  compare(
    t,
    'jwt',
    'Tokens',
    cases.map(({ id }) => id),
    wrong,
  )
})

/** What the proxy writes whatever the policies say. */
const ofTheProxy = new Set(['x-forwarded-proto', 'x-forwarded-client-cert', 'x-request-id'])

function differences({ status, upstream }: ReturnType<typeof tokenCases>[number]['result'], call: ObservedCall) {
  const found = call.status === status ? [] : [`status ${call.status}, recorded ${status}`]
  const challenge = call.headers.some(([name]) => name.toLowerCase() === 'www-authenticate')
  if (upstream === null) {
    if (challenge !== (status === 401 || /^Aud/.test(call.body))) found.push('the challenge')
    return found
  }
  const [line = '', ...fields] = call.body.split('\r\n')
  const path = line.split(' ')[1]
  if (path !== upstream.path) found.push(`path ${path}, recorded ${upstream.path}`)
  const sent = new Map(fields.map(field => [field.slice(0, field.indexOf(':')).toLowerCase(), fieldValue(field)]))
  for (const [name, value] of upstream.headers) {
    if (!ofTheProxy.has(name) && sent.get(name) !== value) found.push(`${name}: ${sent.get(name)}, recorded ${value}`)
  }
  for (const name of upstream.removed ?? []) if (sent.has(name.toLowerCase())) found.push(`${name} was not removed`)
  return found
}

function fieldValue(field: string): string {
  return field.slice(field.indexOf(':') + 1).trim()
}
