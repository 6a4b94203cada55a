import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { ReadGarbage } from '../../../../agent/dataplane/read-garbage.ts'

t.test('a collection is asked for each time enough has passed', async t => {
  let collections = 0
  const garbage = new ReadGarbage(() => {
    collections += 1
  })
  for (let reads = 0; reads < 300; reads += 1) garbage.passed(65_536)
  t.equal(collections, 2)
})

t.test('a block that TLS reads are cut out of counts whole, and once', async t => {
  let collections = 0
  const garbage = new ReadGarbage(() => {
    collections += 1
  })
  const reads = (block: Buffer, count: number) => {
    for (let at = 0; at < count; at += 1) garbage.read(block.subarray(at * 100, at * 100 + 100))
  }
  reads(Buffer.alloc(65_536), 600)
  t.equal(collections, 0)
  for (let blocks = 0; blocks < 127; blocks += 1) reads(Buffer.alloc(65_536), 1)
  t.equal(collections, 1)
})

t.test('threads that start together all find a collector', async t => {
  const source = new URL('../../../../agent/dataplane/read-garbage.ts', import.meta.url)
  const program = `
    const { ReadGarbage } = await import(${JSON.stringify(source.href)})
    for (let times = 0; times < 100; times += 1) new ReadGarbage().passed(64 * 1024 * 1024)
  `
  const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`)
  const ended = await Promise.all(
    Array.from({ length: 6 }, async () => {
      const worker = new Worker(url)
      const failed: unknown[] = []
      worker.on('error', error => failed.push(error))
      await once(worker, 'exit').catch(error => failed.push(error))
      return String(failed)
    }),
  )
  t.strictSame(
    ended,
    Array.from({ length: 6 }, () => ''),
  )
})
