import { decode, encode } from 'dns-packet'
import t from 'tap'
import { createLookUp } from '../../../../agent/dns/look-up.ts'
import { startNameServer } from '../../../support/dns-client.ts'

interface Teardown {
  teardown(stop: () => unknown): unknown
}

type Rows = readonly (readonly [type: 'A' | 'AAAA', data: string, ttl: number])[]

/** A name server with these records of every name; a name without records at all does not exist. */
async function start(t: Teardown, records: Readonly<Record<string, Rows>>) {
  const { host, port, seen } = await startNameServer(t, query => {
    const { id = 0, questions = [] } = decode(query)
    const [question] = questions
    const known = records[question?.name ?? '']
    const answers = (known ?? []).flatMap(([type, data, ttl]) => {
      return type === question?.type ? [{ type, class: 'IN', name: question.name, ttl, data } as const] : []
    })
    return [encode({ type: 'response', id, flags: 0x180 | (known === undefined ? 3 : 0), questions, answers })]
  })
  return { lookUp: createLookUp([`${host}:${port}`]), seen }
}

const running = new AbortController().signal

t.test('a name has its addresses in the order of the answer, for as long as the shortest of them', async t => {
  const { lookUp } = await start(t, {
    'a.example': [
      ['A', '10.0.0.2', 60],
      ['A', '10.0.0.1', 20],
      ['AAAA', 'fd00::1', 5],
    ],
  })
  t.same(await lookUp('a.example', running), { addresses: ['10.0.0.2', '10.0.0.1'], ttlMs: 20_000 })
})

t.test('a name without IPv4 has its IPv6 addresses', async t => {
  const { lookUp } = await start(t, { 'six.example': [['AAAA', 'fd00::1', 7]] })
  t.same(await lookUp('six.example', running), { addresses: ['fd00::1'], ttlMs: 7_000 })
})

t.test('a name that does not exist, or has no address, is an error', async t => {
  const { lookUp, seen } = await start(t, { 'empty.example': [] })
  await t.rejects(lookUp('gone.example', running), { code: 'ENOTFOUND' })
  t.equal(seen.length, 1, 'nobody asks for its IPv6 addresses')
  await t.rejects(lookUp('empty.example', running), { code: 'ENODATA' })
})

t.test('a lookup that nobody answers ends at once when it is not wanted any more', async t => {
  const { host, port } = await startNameServer(t, () => [])
  const stopping = new AbortController()
  const looking = createLookUp([`${host}:${port}`])('a.example', stopping.signal)
  stopping.abort()
  await t.rejects(looking, { code: 'ECANCELLED' })
  await t.rejects(createLookUp()('a.example', stopping.signal))
})
