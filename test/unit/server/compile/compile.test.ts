import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import t from 'tap'
import { parseAllDocuments, stringify } from 'yaml'
import { compileGolden } from '../../../support/compile-golden.ts'

/**
 * Every `test/golden/compile/*.golden` holds an input, a line of dashes, and what comes of it, both YAML. They are the
 * specification of compiling. `WEFT_UPDATE_GOLDEN=1` writes what comes of the inputs now: read the diff.
 */
const folder = new URL('../../../golden/compile/', import.meta.url)
const divider = '\n----------------------------------------\n'

for (const name of readdirSync(folder).filter(name => name.endsWith('.golden'))) {
  const file = new URL(name, folder)
  const [input = '', expected = ''] = readFileSync(file, 'utf8').split(divider)
  t.test(name.replace('.golden', '').replaceAll('-', ' '), async t => {
    const [document] = parseAllDocuments(input)
    const compiled = compileGolden(document && 'toJS' in document ? document.toJS() : {})
    const text = stringify(compiled, { lineWidth: 0, aliasDuplicateObjects: false })
    if (process.env.WEFT_UPDATE_GOLDEN === '1') writeFileSync(file, input + divider + text)
    else t.equal(text, expected)
  })
}

t.test('there are golden files', async t => {
  t.ok(readdirSync(folder).length > 5)
})
