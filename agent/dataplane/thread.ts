import { parentPort, workerData } from 'node:worker_threads'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import type { EjectionNotice, FinishedSpan, FromDataThread, ToDataThread } from './messages.ts'
import { ThreadCore, type ThreadOptions } from './thread-core.ts'

/** Entry of a data thread: passes messages of the control thread to the core, and nothing else. */
const say = (message: FromDataThread) => parentPort?.postMessage(message)
const spans = (finished: readonly FinishedSpan[]) => say({ kind: 'spans', spans: finished })
const ejected = (notice: EjectionNotice) => say({ kind: 'ejection', notice })
const lookUp = (name: string) => say({ kind: 'look-up', name })
const core = new ThreadCore(workerData as ThreadOptions, systemClock, systemRandom, undefined, spans, ejected, lookUp)

parentPort?.on('message', (message: ToDataThread) => {
  switch (message.kind) {
    case 'config':
      say({ kind: 'applied', generation: message.generation, rejected: core.config(message.config) })
      break
    case 'credentials':
      core.credentials(message.credentials)
      break
    case 'listen':
      core.listen(message.listeners).then(bound => say({ kind: 'listening', id: message.id, bound }))
      break
    case 'collect':
      say({ kind: 'collected', id: message.id, report: core.report() })
      break
    case 'take-flows':
      say({ kind: 'flows', ...core.takeFlows() })
      break
    case 'looked-up':
      core.lookedUp(message.answer)
      break
    case 'drain':
      core.drain(message.deadlineMs).then(() => say({ kind: 'drained' }))
      break
  }
})
