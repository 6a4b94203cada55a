import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseChecks, parseInstances, parseNodes, parseServiceNames } from '../../registry-adapters/consul/answers.ts'
import { FakeConsul } from '../fakes/consul.ts'
import { startConsul } from '../support/consul.ts'
import { type RecordedAnswer, recordConsul, shapeOf } from '../support/consul-recording.ts'

/** Written by running this test with WEFT_RECORD=1. */
const file = join(import.meta.dirname, '../fixtures/consul/answers.json')
const recordings = (): RecordedAnswer[] => JSON.parse(readFileSync(file, 'utf8'))
const shapes = (answers: readonly RecordedAnswer[]) =>
  answers.map(answer => ({ ...answer, body: shapeOf(answer.body) }))

t.test('the recordings are what a real Consul answers', async t => {
  const consul = await startConsul()
  t.teardown(() => consul.stop())
  const answers = await recordConsul(consul.address)
  if (process.env.WEFT_RECORD === '1') writeFileSync(file, `${JSON.stringify(answers, undefined, 2)}\n`)
  t.same(shapes(answers), shapes(recordings()))
})

t.test('the fake answers in the shape of the recordings', async t => {
  const fake = await FakeConsul.start()
  t.teardown(() => fake.stop())
  t.same(shapes(await recordConsul(fake.address)), shapes(recordings()))
})

t.test('the fake and the recordings mean the same to the adapter', async t => {
  const fake = await FakeConsul.start()
  t.teardown(() => fake.stop())
  t.same(meaning(await recordConsul(fake.address)), meaning(recordings()))
})

/** What the adapter reads from the answers; without indexes, and without Consul's own node, whose meta varies. */
function meaning(answers: readonly RecordedAnswer[]): unknown {
  return answers.map(({ path, body }) => {
    if (path.startsWith('/catalog/services')) return Object.fromEntries(parseServiceNames(body))
    if (path === '/catalog/nodes') return parseNodes(body).filter(node => node.name !== 'consul-server')
    if (path.startsWith('/health/state')) return byKey(parseChecks(body))
    const instances = parseInstances(body).filter(instance => instance.node.name !== 'consul-server')
    return instances.map(instance => ({ ...instance, checks: byKey(instance.checks), modifyIndex: 0 }))
  })
}

function byKey<T extends object>(items: readonly T[]): readonly T[] {
  return [...items].sort((a, b) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1))
}
