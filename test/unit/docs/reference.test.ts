import { readdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { reasons } from '../../../agent/dataplane/reasons.ts'
import { exitCodes } from '../../../cli/exit-codes.ts'
import { fillBlocks } from '../../../scripts/docs/markdown.ts'
import { generatedBlocks, generatedSchemas } from '../../../scripts/docs/pages.ts'
import { emptyCatalogue } from '../../../server/catalogue/catalogue.ts'
import { createServerMetrics } from '../../../server/telemetry/metrics.ts'
import { tableRows } from '../../support/markdown.ts'

for (const [path, blocks] of Object.entries(generatedBlocks)) {
  t.test(`${path} says what the code says; npm run docs brings it up to date`, async t => {
    const page = readFileSync(path, 'utf8')
    t.equal(page, fillBlocks(page, blocks()))
  })
}

t.test('a page without a block, or with one too many, is refused', async t => {
  const page = '<!-- generated: one -->\nold\n<!-- end -->\nby hand'
  t.equal(fillBlocks(page, { one: 'new' }), '<!-- generated: one -->\n\nnew\n\n<!-- end -->\nby hand')
  t.throws(() => fillBlocks(page, {}), /has a block one/)
  t.throws(() => fillBlocks(page, { one: '', two: '' }), /lacks the blocks two/)
  t.throws(() => fillBlocks('<!-- generated: one -->\nold', { one: 'new' }), /lacks the blocks an end/)
})

t.test('the json schemas are those of the code, and there are no others', async t => {
  const schemas = generatedSchemas()
  for (const [path, text] of Object.entries(schemas)) t.equal(readFileSync(path, 'utf8'), text, path)
  const folder = 'docs/reference/schema'
  const files = readdirSync(folder).map(name => `${folder}/${name}`)
  t.same(files.sort(), Object.keys(schemas).sort())
})

t.test('every reason code is explained, in the words of the code, with advice, and no other', async t => {
  const rows = tableRows(readFileSync('docs/reference/reasons.md', 'utf8'), 'code')
  const explained = rows.map(row => [row.code?.replaceAll('`', ''), row.meaning])
  t.same(explained.sort(), Object.entries(reasons).sort())
  for (const row of rows) {
    t.match(row['what to do'], /\w{3}/, `${row.code} has advice`)
    t.match(row.side, /^(?:in|out|both)$/)
  }
})

t.test('every exit status is explained, and no other', async t => {
  const rows = tableRows(readFileSync('docs/reference/cli.md', 'utf8'), 'status')
  t.same(rows.map(row => Number(row.status)).sort(), Object.values(exitCodes).sort())
})

t.test('metrics of a server are documented as the kind they are', async t => {
  const { body } = await createServerMetrics({
    now: () => 0,
    agents: () => [],
    registries: () => [],
    catalogue: () => emptyCatalogue,
    tokenKeys: () => [],
    tokenKeyFetches: () => ({ success: 0, failure: 0 }),
    certificates: () => [],
  }).text()
  const rows = tableRows(readFileSync('docs/reference/metrics.md', 'utf8'), 'metric')
  for (const [, name, kind] of body.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    t.equal(rows.find(row => row.metric === `\`${name}\``)?.kind, kind, `${name}`)
  }
})
