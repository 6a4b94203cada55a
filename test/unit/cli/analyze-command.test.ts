import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { runCommand } from '../../support/command-line.ts'

function fileWith(t: Test, text: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'weft-test-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'resources.yaml')
  writeFileSync(file, text)
  return file
}

const cart = (name: string) => `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: ${name}, namespace: shop }
spec:
  hosts: [cart]
  http:
    - route: [{ destination: { host: cart } }]
    - route: [{ destination: { host: cart } }]
      match: [{ uri: { pathPrefix: /a } }]
`

/** What the command prints, and the exit status it asks for. */
async function run(t: Test, line: string, answers: Readonly<Record<string, unknown>> = {}) {
  const before = process.exitCode
  t.teardown(() => {
    process.exitCode = before
  })
  process.exitCode = undefined
  const { printed, asked } = await runCommand(line, answers)
  const { exitCode } = process
  process.exitCode = before
  return { printed, asked, exitCode }
}

t.test('files are judged without a server, with the place of each finding', async t => {
  const file = fileWith(t, cart('a'))
  const { printed, asked, exitCode } = await run(t, `analyze -f ${file}`)
  t.match(
    printed,
    /^SEVERITY +CODE +WHERE +FINDING\nwarning +unreachable +\S+resources\.yaml:8:7 +spec\.http\[1\]: is never/,
  )
  t.same(asked, [])
  t.equal(exitCode, undefined, 'warnings are no failure')
})

t.test('errors of documents and between them make it fail', async t => {
  const [first, second] = [fileWith(t, cart('a')), fileWith(t, `${cart('b')}---\nkind: Nonsense\n`)]
  const { printed, exitCode } = await run(t, `analyze -f ${first} ${second} -o json`)
  const { findings } = JSON.parse(printed)
  t.match(findings, [
    { severity: 'error', code: 'unknown', path: 'kind', file: second, line: 11 },
    { severity: 'error', code: 'duplicate-host', resource: 'VirtualService shop/b', file: second, line: 5, column: 11 },
    { severity: 'warning', code: 'unreachable', resource: 'VirtualService shop/a', file: first },
    { severity: 'warning', code: 'unreachable', resource: 'VirtualService shop/b', file: second },
  ])
  t.equal(exitCode, 1)
  t.match(await run(t, `analyze -f ${first} ${first}`), { printed: /shop\/a is written twice/, exitCode: 1 })
})

t.test('without files the server says what there is to say of all that is applied', async t => {
  const none = await run(t, 'analyze', { '/v1/findings': { findings: [] } })
  t.match(none, { printed: 'nothing to say', asked: ['GET /v1/findings'], exitCode: undefined })
  const one = {
    severity: 'error',
    code: 'misplaced',
    resource: 'MeshSettings shop/a',
    path: 'metadata',
    message: 'is off',
  }
  const { printed, exitCode } = await run(t, 'analyze', { '/v1/findings': { findings: [one] } })
  t.match(printed, /error +misplaced +MeshSettings shop\/a +metadata: is off/)
  t.equal(exitCode, 1)
})
