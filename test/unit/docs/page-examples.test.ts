import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { pageExamples, unmet } from '../../support/page-examples.ts'

const outcome = (output: string, tookMs = 0, code = 0) => ({ code, output, tookMs })
const answers = (...names: string[]) => outcome(names.map(name => `HTTP/1.1 200 OK\n\n${name} GET /\n`).join(''))

t.test('examples of a page are its fences below headings, with what comments expect', async t => {
  const page = join(t.testdir(), 'page.md')
  const fences = [
    '```yaml\na: 1\n```',
    '```sh\none \\\n  two\n# => 200, not b\nthree\n```',
    '```yaml\n# x.yaml\nb: 2\n```',
    '```\nplain\n```',
  ]
  writeFileSync(page, `# Page\n\n## First\n\n${fences.join('\n\n')}\n\n### Without\n\nwords\n`)
  t.same(pageExamples(page), [
    {
      title: 'First',
      steps: [
        { kind: 'yaml', text: 'a: 1\n' },
        { kind: 'command', line: 'one   two', expected: ['200', 'not b'] },
        { kind: 'command', line: 'three', expected: [] },
        { kind: 'yaml', text: '# x.yaml\nb: 2\n', file: 'x.yaml' },
      ],
    },
  ])
  writeFileSync(page, '## First\n\n```sh\n# not an expectation\n```\n')
  t.throws(() => pageExamples(page), /a comment that no test reads/)
  writeFileSync(page, '## First\n\n```json\n{}\n```\n')
  t.throws(() => pageExamples(page), /a fence of json/)
})

t.test('every example of the traffic page expects something', async t => {
  const examples = pageExamples(join(import.meta.dirname, '../../../docs/traffic.md'))
  t.ok(examples.length >= 25, `${examples.length} examples`)
  for (const { title, steps } of examples) {
    const commands = steps.filter(step => step.kind === 'command')
    t.ok(commands.length > 0, title)
    for (const { line, expected } of commands) t.not(expected.length, 0, line)
  }
})

t.test('what is expected holds or does not', async t => {
  for (const [expected, good, bad] of [
    ['200', outcome('HTTP/1.1 200 OK'), outcome('HTTP/1.1 503 x\n\n200')],
    ['word', outcome('a word'), outcome('nothing')],
    ['not word', outcome('nothing'), outcome('a word')],
    ['fails', outcome('', 0, 1), outcome('')],
    ['after 1 s', outcome('', 1000), outcome('', 999)],
    ['within 1 s', outcome('', 1000), outcome('', 1001)],
    ['always the same', answers('v1', 'v1'), answers('v1', 'v2')],
    ['100 % v1', answers('v1', 'v1'), answers('v1', 'v2')],
    ['100 % 200', answers('v1', 'v2'), outcome('HTTP/1.1 200 OK\nHTTP/1.1 503 x')],
    ['0 % v2', answers('v1'), answers('v2')],
    ['always the same', answers('v1', 'v1'), answers('v1')],
    ['50 % v1', answers('v1', 'v2'), outcome('')],
  ] as const) {
    t.equal(unmet(expected, good), undefined, expected)
    t.match(unmet(expected, bad), `expected ${expected}, got`, expected)
  }
})

t.test('shares hold within four standard deviations', async t => {
  const of400 = (v2: number) => answers(...Array.from({ length: 400 }, (_, at) => (at < v2 ? 'v2' : 'v1')))
  for (const v2 of [16, 40, 64]) t.equal(unmet('10 % v2', of400(v2)), undefined, String(v2))
  for (const v2 of [15, 65]) t.match(unmet('10 % v2', of400(v2)), `got ${v2} of 400`)
})
