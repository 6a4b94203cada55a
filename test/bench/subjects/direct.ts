import type { Subject } from '../types.ts'

/** No proxy at all: what client, backend and kernel cost by themselves. */
export const direct: Subject = {
  name: 'direct',
  start: async ({ backend }) => ({ target: backend, outbound: [], inbound: [], stop: async () => {} }),
}
