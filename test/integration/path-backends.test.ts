import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { compileAuthorization } from '../../mesh/policy/authorization.ts'
import { normalizePath, type PathNormalization } from '../../mesh/routing/path.ts'
import { type PathBackend, startPathBackends } from '../support/path-backends.ts'
import { ledger, policy, policyCall, policyConfig } from '../support/policy-calls.ts'

const backends = await startPathBackends(t)

const recorded = readFileSync(new URL('../fixtures/policy/paths.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line): string => JSON.parse(line).path)
const pieces = [
  '/',
  '/',
  '.',
  '..',
  '%2e',
  '%2F',
  '%5c',
  '\\',
  '%25',
  '%61',
  'admin',
  'a',
  ';',
  '%20',
  '%zz',
  '%',
  '?x',
]
const generated = fc.sample(
  fc.array(fc.constantFrom(...pieces), { maxLength: 9 }).map(parts => `/${parts.join('')}`),
  { numRuns: 600, seed: 33 },
)
const paths = [...new Set([...recorded, ...generated])]

/** Paths, as they are forwarded, that a backend sees otherwise than they are authorised. */
async function seenOtherwise(mode: PathNormalization, backend: PathBackend): Promise<readonly string[]> {
  const forwarded = new Set(paths.flatMap(path => normalizePath(path, mode) ?? []))
  const different: string[] = []
  for (const path of forwarded) {
    if (path === '*') continue
    const seen = await backend.see(path)
    if (seen !== undefined && seen !== decoded(path)) different.push(path)
  }
  return different
}

/** The path that is authorised with its escapes read once: all that may happen to it behind the policy. */
function decoded(path: string): string {
  const octets = path
    .replace(/\?.*/s, '')
    .replace(/%([0-9a-f]{2})/gi, (_, hex: string) => String.fromCharCode(Number.parseInt(hex, 16)))
  return Buffer.from(octets, 'latin1').toString()
}

t.test('with DECODE_AND_MERGE_SLASHES every backend sees the path that was authorised', async t => {
  for (const backend of backends) {
    t.same(await seenOtherwise('DECODE_AND_MERGE_SLASHES', backend), [], backend.name)
  }
})

t.test('the other modes leave what their names say: escaped slashes, and several of them', async t => {
  const left = { MERGE_SLASHES: /%2f/i, BASE: /%2f|\/\//i } as const
  for (const mode of ['MERGE_SLASHES', 'BASE'] as const) {
    const all = await Promise.all(backends.map(backend => seenOtherwise(mode, backend)))
    for (const [at, different] of all.entries()) {
      t.same(
        different.filter(path => !left[mode].test(path)),
        [],
        `${backends[at]?.name} ${mode}`,
      )
    }
    t.ok(all.flat().length > 0, `${mode} does not do for all backends`)
  }
  const [nginx] = backends
  t.equal(await nginx?.see('//admin'), '/admin', 'and a DENY of /admin does not see it')
})

t.test('no backend is asked for what a DENY names, whatever way it is written', async t => {
  const rules = [{ to: [{ operation: { paths: ['/admin', '/admin/*'] } }] }]
  const { judge } = compileAuthorization(policyConfig([policy({ action: 'DENY', rules })]), ledger)
  let denied = 0
  for (const path of paths) {
    const forwarded = normalizePath(path, 'DECODE_AND_MERGE_SLASHES')
    if (forwarded === undefined || forwarded === '*') continue
    if (!judge(policyCall({ request: { path: forwarded } })).allowed) {
      denied += 1
      continue
    }
    for (const backend of backends) {
      const seen = (await backend.see(forwarded)) ?? ''
      t.notOk(seen === '/admin' || seen.startsWith('/admin/'), `${backend.name} ${path}`)
    }
  }
  t.ok(denied > 10, `${denied}`)
})
