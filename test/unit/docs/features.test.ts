import { existsSync, readFileSync } from 'node:fs'
import t from 'tap'
import { tableRows } from '../../support/markdown.ts'

const rows = tableRows(readFileSync('docs/features.md', 'utf8'), 'no.')

t.test('every feature has a number, says what it is, and names a test that exists', async t => {
  t.ok(rows.length > 50, `${rows.length} features`)
  for (const { 'no.': number = '', 'what Weft does': what = '', 'proved by': proof = '', test: title = '' } of rows) {
    const path = proof.replaceAll('`', '')
    t.match(number, /^(?:[A-P][1-9]\d?|[23]\.[1-9]\d?)$/, number)
    t.match(what, /\w{3}/, number)
    t.match(path, /^test\/[\w/-]+\.test\.ts$/, number)
    t.ok(existsSync(path), `${number}: ${path}`)
    t.ok(title.length >= 7 && textOf(path).includes(title), `${number}: ${path} has "${title}"`)
  }
})

t.test('no feature is listed twice with the same words', async t => {
  const said = rows.map(row => `${row['no.']} ${row['what Weft does']}`)
  t.equal(new Set(said).size, said.length)
})

function textOf(path: string): string {
  return existsSync(path) ? readFileSync(path, 'utf8').replaceAll("\\'", "'") : ''
}
