import type { Scenario } from './types.ts'

export const smallBody = { path: '/small', bytes: 1024 } as const
export const largeBody = { path: '/large', bytes: 10 * 1024 * 1024 } as const

/** The loads of `bench -- l4`, in the order they are run. */
export const scenarios: readonly Scenario[] = [
  {
    name: 'keep-alive',
    describe: '16 connections, 1 KiB',
    bodyBytes: smallBody.bytes,
    run: (load, target, seconds) => load.wrk(target, smallBody.path, seconds, { connections: 16 }),
  },
  {
    name: 'connections',
    describe: 'a new connection for each request, 32 at once, 1 KiB',
    bodyBytes: smallBody.bytes,
    run: (load, target, seconds) =>
      load.wrk(target, smallBody.path, seconds, { connections: 32, headers: ['Connection: close'] }),
  },
  {
    name: 'paced',
    describe: '1,000 requests/s over 16 connections, open loop, 1 KiB',
    bodyBytes: smallBody.bytes,
    run: (load, target, seconds) => load.paced(target, smallBody.path, seconds, { perSecond: 1000, connections: 16 }),
  },
  {
    name: 'bulk',
    describe: '4 connections, 10 MiB',
    bodyBytes: largeBody.bytes,
    run: (load, target, seconds) => load.wrk(target, largeBody.path, seconds, { connections: 4 }),
  },
]
