import { startDns } from '../../../agent/dns/dns.ts'
import { startCapture } from '../../../agent/intercept/capture.ts'
import type { CapturePlan } from '../../../agent/intercept/plan.ts'
import { systemClock, systemRandom } from '../../../mesh/std/clock.ts'
import { createLog } from '../../../mesh/std/log.ts'

// The agent's resolver behind captured DNS: one name of the mesh, everything else by this host's resolv.conf. Takes
// the capture plan as JSON.

const log = createLog('debug', { write: line => void process.stderr.write(line) })
const capture = await startCapture(
  { log, clock: systemClock },
  { node: `${process.pid}`, mode: 'mesh', onAgentDown: 'closed' },
)
const dns = await startDns({ log, clock: systemClock, random: systemRandom }, { zone: 'mesh' })
dns.update({ names: new Map([['api.default.mesh', { v4: ['240.240.0.1'], v6: ['fd00:240::1'] }]]) })
await capture.update(JSON.parse(process.argv[2] ?? '') as CapturePlan)
console.log('captured')
