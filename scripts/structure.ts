import { readdirSync, readFileSync } from 'node:fs'
import { builtinModules, stripTypeScriptTypes } from 'node:module'
import { dirname, join, relative } from 'node:path'

/**
 * Reads the imports and sizes of all sources and holds them to the folder plan of `docs/architecture.md`: who may
 * import whom, which folder alone may import which package, and no file that has outgrown one idea.
 */

/** First matching row decides: sources under `from` may import sources under one of `to` (and their own folder). */
const directions: readonly { from: string; to: readonly string[] }[] = [
  { from: 'mesh/std/', to: [] },
  { from: 'mesh/model/', to: ['mesh/std/'] },
  { from: 'mesh/', to: ['mesh/'] },
  { from: 'registry-adapters/', to: ['registry-adapters/', 'mesh/'] },
  {
    from: 'agent/dataplane/',
    to: [
      'agent/dataplane/',
      'mesh/',
      'agent/intercept/original-dst.ts',
      'agent/intercept/caller-cgroup.ts',
      'agent/intercept/caller-process.ts',
    ],
  },
  { from: 'agent/agent.ts', to: ['agent/', 'mesh/'] },
  { from: 'agent/', to: ['agent/', 'mesh/'] },
  { from: 'server/compile/', to: ['server/compile/', 'mesh/'] },
  { from: 'server/', to: ['server/', 'mesh/', 'registry-adapters/'] },
  { from: 'cli/', to: ['cli/', 'mesh/', 'registry-adapters/', 'server/', 'agent/'] },
  { from: 'scripts/', to: [''] },
  { from: 'test/', to: [''] },
]

/** Packages, and the only places that import them. */
const packageHomes: Readonly<Record<string, readonly string[]>> = {
  consul: ['registry-adapters/consul/'],
  got: ['registry-adapters/http.ts', 'registry-adapters/nomad/', 'mesh/std/http.ts'],
  '@grpc/grpc-js': [
    'agent/control/grpc.ts',
    'agent/health/grpc.ts',
    'agent/workload-api/connection.ts',
    'server/push/grpc.ts',
    'test/netns/programs/',
  ],
  '@grpc/proto-loader': ['mesh/wire/'],
  ws: ['agent/control/ws.ts', 'server/push/ws.ts'],
  'node-forge': ['mesh/identity/'],
  jose: ['mesh/policy/request-authentication/', 'server/identity/attest/'],
  systeminformation: ['agent/host-process.ts'],
  convict: ['agent/config.ts', 'server/config.ts'],
  zod: ['mesh/resources/'],
  yaml: ['mesh/resources/', 'mesh/std/settings-file.ts', 'registry-adapters/static/', 'cli/'],
  'ipaddr.js': ['mesh/std/'],
  re2js: ['mesh/std/linear-pattern.ts'],
  'sorted-btree': ['mesh/std/table.ts'],
  '@kubernetes/client-node': ['registry-adapters/kubernetes/'],
  koffi: ['agent/intercept/'],
  pino: ['mesh/std/log.ts'],
  '@opentelemetry/api': ['agent/telemetry/otlp.ts'],
  '@opentelemetry/exporter-trace-otlp-http': ['agent/telemetry/otlp.ts'],
  '@opentelemetry/resources': ['agent/telemetry/otlp.ts'],
  'prom-client': ['agent/telemetry/', 'server/telemetry/'],
  'dns-packet': ['agent/dns/'],
  commander: ['cli/'],
}

/** Builtin modules that `mesh/` may use: it is pure, so neither sockets nor files nor processes. */
const pureBuiltins = new Set(['node:crypto', 'node:module', 'node:net', 'node:url', 'node:path', 'node:util'])
const maxLines = 400

const roots = ['mesh', 'registry-adapters', 'server', 'agent', 'cli', 'scripts', 'test']
const problems: string[] = []
const sizes: number[] = []

for (const file of roots.flatMap(sourcesBelow)) {
  const text = readFileSync(file, 'utf8')
  const lines = text.split('\n').length - 1
  if (!file.startsWith('test/')) sizes.push(lines)
  if (lines > maxLines) problems.push(`${file}: ${lines} lines, the limit is ${maxLines}: split it`)
  for (const specifier of importsOf(text)) problems.push(...judge(file, specifier))
}

sizes.sort((a, b) => a - b)
const at = (share: number) => sizes[Math.min(sizes.length - 1, Math.floor(sizes.length * share))] ?? 0
console.log(`${sizes.length} sources, median ${at(0.5)} lines, nine in ten at most ${at(0.9)}`)
if (at(0.9) > 300) problems.push(`one source in ten is over 300 lines (90th percentile ${at(0.9)})`)
for (const problem of problems) console.error(problem)
process.exitCode = problems.length === 0 ? 0 : 1

function judge(file: string, specifier: string): string[] {
  if (specifier.startsWith('.')) {
    const target = relative('.', join(dirname(file), specifier))
    const rule = directions.find(row => file.startsWith(row.from))
    const own = `${dirname(file)}/`
    if (rule === undefined || target.startsWith(own) || rule.to.some(to => target.startsWith(to))) return []
    return [`${file}: must not import ${target}`]
  }
  if (file.startsWith('test/') || file.startsWith('scripts/')) return []
  if (specifier.startsWith('node:') || builtinModules.includes(specifier)) {
    const impure = file.startsWith('mesh/') && !pureBuiltins.has(specifier)
    return impure ? [`${file}: mesh is pure and must not import ${specifier}`] : []
  }
  const name = specifier.startsWith('@') ? specifier.split('/').slice(0, 2).join('/') : (specifier.split('/')[0] ?? '')
  const homes = packageHomes[name]
  if (homes === undefined) return [`${file}: package ${name} has no home in scripts/structure.ts`]
  return homes.some(home => file.startsWith(home)) ? [] : [`${file}: package ${name} belongs to ${homes.join(', ')}`]
}

function importsOf(text: string): string[] {
  const plain = stripTypeScriptTypes(text)
  const typeImports = [...text.matchAll(/^(?:import|export) type [^'"]*? from ['"]([^'"]+)['"]/gms)]
  const imports = [...plain.matchAll(/^(?:import|export)\s(?:[^'"]*?\sfrom\s)?\s*['"]([^'"]+)['"]/gms)]
  const dynamic = [...plain.matchAll(/\bimport\(\s*['"]([^'"]+)['"]\s*\)/g)]
  return [...typeImports, ...imports, ...dynamic].flatMap(match => match[1] ?? [])
}

function sourcesBelow(folder: string): string[] {
  try {
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter(name => name.endsWith('.ts') && !name.includes('node_modules'))
      .map(name => join(folder, name))
  } catch {
    return []
  }
}
