import fc from 'fast-check'
import t from 'tap'
import { parseResources } from '../../mesh/resources/parse.ts'
import { formatProblem } from '../../mesh/resources/problem.ts'
import { snapshotFromResources } from '../../mesh/resources/to-model.ts'
import { mergeFiles } from '../../registry-adapters/static/merge-files.ts'
import { parseRegistryFile } from '../../registry-adapters/static/registry-file.ts'
import { validationCases } from '../support/istio-recordings.ts'

/** Reads a text in every way it can be read: each must give something or say what is wrong, and where. */
function readAll(text: string): void {
  const { resources, problems } = parseResources(text, 'f')
  for (const problem of problems) {
    if (problem.message === '' || problem.line < 1 || problem.column < 1) throw new Error(formatProblem(problem))
    if (problem.line > text.split(/\r\n|\r|\n/).length) throw new Error(`past the end: ${formatProblem(problem)}`)
  }
  snapshotFromResources('r', resources)
  mergeFiles('r', [parseRegistryFile(text, 'f').content])
}

const documents = validationCases().map(one => one.yaml)
const marks = [
  '[',
  ']',
  '{',
  '}',
  '- ',
  ': ',
  '? ',
  '&a ',
  '*a ',
  '!t ',
  '|\n',
  '>\n',
  '"',
  "'",
  '#',
  '\n',
  '\t',
  '---\n',
  '%',
]
const words = [
  'apiVersion: security.istio.io/v1',
  'kind: WorkloadEntry',
  'spec',
  'metadata',
  '__proto__',
  '<<',
  '~',
  '.nan',
  '0x1F',
]

t.test('any text gives resources or problems, never an exception', async t => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 400 }), text => readAll(text)),
    { numRuns: 400 },
  )
  t.pass()
})

t.test('any heap of marks and words too', async t => {
  const token = fc.oneof(fc.constantFrom(...marks), fc.constantFrom(...words), fc.string({ maxLength: 5 }))
  fc.assert(
    fc.property(fc.array(token, { maxLength: 80 }), tokens => readAll(tokens.join(''))),
    { numRuns: 600 },
  )
  t.pass()
})

t.test('real documents cut short, doubled or with bytes exchanged', async t => {
  const broken = fc
    .tuple(
      fc.constantFrom(...documents),
      fc.nat(),
      fc.nat(),
      fc.oneof(fc.constantFrom(...marks), fc.string({ maxLength: 3 })),
    )
    .map(([text, at, length, other]) => {
      const start = at % (text.length + 1)
      return text.slice(0, start) + other + text.slice(start + (length % 8))
    })
  fc.assert(fc.property(broken, readAll), { numRuns: 600 })
  fc.assert(
    fc.property(fc.constantFrom(...documents), fc.nat(), (text, at) => readAll(text.slice(0, at % text.length))),
    {
      numRuns: 200,
    },
  )
  t.pass()
})

t.test('any JSON value in any place of a document', async t => {
  const fields = [
    'address',
    'ports',
    'hosts',
    'addresses',
    'endpoints',
    'selector',
    'portLevelMtls',
    'template',
    'exportTo',
  ]
  const value = fc.jsonValue({ maxDepth: 4 })
  const shape = fc.record({
    apiVersion: fc.constantFrom('networking.istio.io/v1', 'security.istio.io/v1'),
    kind: fc.constantFrom('WorkloadEntry', 'WorkloadGroup', 'ServiceEntry', 'PeerAuthentication'),
    metadata: fc.oneof(fc.constant({ name: 'x' }), value),
    spec: fc.oneof(fc.dictionary(fc.constantFrom(...fields), value), value),
  })
  const native = fc.record({
    services: fc.array(fc.record({ name: fc.constantFrom('a', 'b'), ports: value })),
    workloads: fc.array(
      fc.record({ name: fc.constantFrom('a', 'b'), address: fc.constant('10.0.0.1'), services: value }),
    ),
  })
  fc.assert(
    fc.property(fc.oneof(shape, native), document => readAll(JSON.stringify(document))),
    { numRuns: 600 },
  )
  t.pass()
})
