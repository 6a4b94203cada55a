import { agentSettings } from '../../agent/config-schema.ts'
import { nativeJsonSchema } from '../../mesh/resources/native.ts'
import { type ResourceKind, resourceJsonSchema, resourceSchemas } from '../../mesh/resources/resource.ts'
import { serverSettings } from '../../server/config-schema.ts'
import { commandSections } from './command-blocks.ts'
import { errorSections } from './error-blocks.ts'
import { agentMetricTable, istioLabelList, serverMetricTable } from './metric-blocks.ts'
import { outcomeTable } from './outcome-blocks.ts'
import { attestorTables, registryTables, settingTable } from './setting-blocks.ts'

/** Pages of the reference with the blocks in them that are made from the code; the rest is written by hand. */
export const generatedBlocks: Readonly<Record<string, () => Readonly<Record<string, string>>>> = {
  'docs/reference/errors.md': () => ({ errors: errorSections() }),
  'docs/reference/configuration.md': () => ({
    server: settingTable(serverSettings),
    registries: registryTables(),
    attestors: attestorTables(),
    agent: settingTable(agentSettings),
  }),
  'docs/reference/metrics.md': () => ({
    agent: agentMetricTable(),
    'istio-labels': istioLabelList(),
    server: serverMetricTable(),
  }),
  'docs/reference/reasons.md': () => ({ outcomes: outcomeTable() }),
  'docs/reference/cli.md': () => ({ commands: commandSections() }),
}

/** JSON Schemas of what operators write, by file. */
export function generatedSchemas(): Readonly<Record<string, string>> {
  const kinds = Object.keys(resourceSchemas) as ResourceKind[]
  const schemas = [
    ...kinds.map(kind => [kind, resourceJsonSchema(kind)] as const),
    ['registry-file', nativeJsonSchema()] as const,
  ]
  return Object.fromEntries(
    schemas.map(([name, schema]) => [`docs/reference/schema/${name}.json`, `${JSON.stringify(schema, null, 2)}\n`]),
  )
}
