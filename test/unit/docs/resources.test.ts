import { readFileSync } from 'node:fs'
import t from 'tap'
import { weftAnnotations } from '../../../mesh/resources/annotations.ts'
import { nativeJsonSchema } from '../../../mesh/resources/native.ts'
import { parseResources } from '../../../mesh/resources/parse.ts'
import {
  resourceJsonSchema,
  resourceSchemas,
  resourceVersions,
  unimplementedKinds,
} from '../../../mesh/resources/resource.ts'
import { parseRegistryFile } from '../../../registry-adapters/static/registry-file.ts'
import { documentation, tableRows } from '../../support/markdown.ts'

const page = readFileSync('docs/resources.md', 'utf8')
const files = readFileSync('docs/registries/static.md', 'utf8')

interface Schema {
  readonly properties?: Readonly<Record<string, Schema>>
  readonly items?: Schema
}

/** The part of a page under a heading. */
function sectionOf(text: string, heading: string): string {
  const [, after = ''] = text.split(`\n## ${heading}\n`)
  return after.split('\n## ')[0] ?? ''
}

function namesIn(cell: string | undefined): string[] {
  return [...(cell ?? '').matchAll(/`([^`]+)`/g)].map(match => match[1] ?? '')
}

const kinds = Object.keys(resourceSchemas) as (keyof typeof resourceSchemas)[]

for (const kind of kinds) {
  t.test(`every field of a ${kind} is documented, and no other`, async t => {
    const section = sectionOf(page, kind)
    const { properties } = resourceJsonSchema(kind) as Schema
    const fields = Object.keys(properties?.spec?.properties ?? {})
    const documented =
      kind === 'WorkloadGroup'
        ? fields.filter(field => new RegExp(`\`(?:spec\\.)?${field}\``).test(section))
        : tableRows(section, 'field of `spec`').flatMap(row => namesIn(row['field of `spec`']))
    t.same([...new Set(documented.map(name => name.split('.')[0]))].sort(), fields.sort())
    for (const version of resourceVersions[kind]) {
      t.ok(section.includes('The same API versions') || section.includes(version.replace(/^.*\//, '')), version)
    }
  })
}

t.test('every annotation is documented, and no other', async t => {
  const rows = tableRows(page, 'annotation')
  t.same(rows.flatMap(row => namesIn(row.annotation)).sort(), [...weftAnnotations].sort())
})

t.test('every kind that is refused is named', async t => {
  t.same(namesIn(sectionOf(page, 'Not implemented yet')), [...unimplementedKinds])
})

t.test('every field of the short form is documented, and no other', async t => {
  const { properties } = nativeJsonSchema() as Schema
  const fields = ['services', 'workloads'].flatMap(list => Object.keys(properties?.[list]?.items?.properties ?? {}))
  const rows = tableRows(sectionOf(files, 'What a file says'), 'field')
  const documented = rows.flatMap(row => namesIn(row.field)).filter(name => name !== 'protocol')
  t.same(documented.sort(), fields.sort())
})

t.test('resources in the documentation are good as they stand', async t => {
  let seen = 0
  for (const [path, text] of documentation()) {
    // blocks of their own, and what a shell example writes into a file
    for (const [, , block = ''] of text.matchAll(/(^```yaml|<<'END')\n(.*?)^(?:```|END)$/gms)) {
      if (!/^(?:apiVersion|services|workloads|include):/m.test(block)) continue
      // shows what a refusal looks like, which test/netns/docs-traffic.test.ts sees
      if (block.startsWith('# refused.yaml')) continue
      seen += 1
      const { problems } = block.includes('apiVersion') ? parseResources(block, path) : parseRegistryFile(block, path)
      t.same(problems, [], path)
    }
  }
  t.ok(seen >= 3, `${seen} blocks were read`)
})
