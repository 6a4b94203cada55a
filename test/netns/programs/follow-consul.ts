/** Follows a Consul and writes a JSON line for each view, each report, and each warning; the options are its argument. */
import { systemClock, systemRandom } from '../../../mesh/std/clock.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import { createConsulAdapter } from '../../../registry-adapters/consul/adapter.ts'

const say = (line: object) => process.stdout.write(`${JSON.stringify(line)}\n`)
const adapter = createConsulAdapter(
  {
    name: 'consul',
    clock: systemClock,
    random: systemRandom,
    log: { ...silentLog, warn: (message, fields = {}) => say({ kind: 'log', message, to: fields.to }) },
    report: health => say({ kind: 'health', health }),
  },
  JSON.parse(process.argv[2] ?? '{}'),
)
// The adapter's own timers keep no process alive, and while Consul is away there may be nothing else.
setInterval(() => {}, 60_000)
for await (const view of adapter.watch(new AbortController().signal)) {
  const sick = view.workloads.values().filter(({ health }) => health !== 'healthy')
  say({
    kind: 'view',
    services: view.services.size,
    workloads: view.workloads.size,
    sick: sick.map(({ id, healthReason }) => `${id} ${healthReason}`).toArray(),
    problems: view.problems.length,
  })
}
