import { parentPort, workerData } from 'node:worker_threads'
import { CircuitBreaker } from '../../agent/dataplane/upstream/circuit-breaker.ts'
import { SharedCounts } from '../../agent/dataplane/upstream/shared-counts.ts'

// A thread that acquires and releases connections of the cluster that `admission.test.ts` limits, when it is told to.

const { buffer, thread, threads } = workerData
const limits = new CircuitBreaker(
  {
    maxConnections: 1,
    maxPendingRequests: undefined,
    maxRequests: undefined,
    maxRetries: undefined,
    retryBudget: { percent: 20, minRetryConcurrency: 3 },
    rule: '',
  },
  { counts: new SharedCounts(buffer, thread, threads), name: 'web outbound|80||api' },
)

parentPort?.on('message', (message: string) => {
  if (message === 'acquire') parentPort?.postMessage(`acquire ${limits.acquire('connections')}`)
  else limits.release('connections')
})
