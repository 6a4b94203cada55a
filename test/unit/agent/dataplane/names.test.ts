import t from 'tap'
import { type NameFound, Names } from '../../../../agent/dataplane/names.ts'
import { FakeClock } from '../../../fakes/clock.ts'

function aWorld() {
  const clock = new FakeClock()
  const asked: string[] = []
  const names = new Names(clock, name => asked.push(name))
  const found: (NameFound | undefined)[] = []
  const find = (name: string, timeoutMs = 10_000) => {
    const at = found.push(undefined) - 1
    return names.find(name, timeoutMs, answer => {
      found[at] = answer
    })
  }
  const learn = (name: string, addresses: readonly string[], ttlMs = 30_000) =>
    names.learn({ name, addresses, ttlMs, reason: 'ENOTFOUND' })
  return { clock, asked, names, found, find, learn }
}

t.test('a name is asked for once, and everyone who waits has the answer for as long as it holds', async t => {
  const { clock, asked, found, find, learn } = aWorld()
  find('a.example')
  find('a.example')
  t.same(asked, ['a.example'])
  learn('a.example', ['192.0.2.1'])
  const answer = { kind: 'found', addresses: ['192.0.2.1'] }
  t.same(found, [answer, answer])
  await clock.advance(29_999)
  find('a.example')
  t.same([found[2], asked.length], [answer, 1])
  await clock.advance(2)
  find('a.example')
  t.same([found[3], asked.length], [undefined, 2])
})

t.test('a name that is not found is not asked for again for five seconds', async t => {
  const { clock, asked, found, find, learn } = aWorld()
  find('a.example')
  learn('a.example', [])
  t.match(found[0], { kind: 'failed', detail: /a\.example is not found: ENOTFOUND/ })
  await clock.advance(4_999)
  find('a.example')
  t.same([found[1], asked.length], [found[0], 1])
  await clock.advance(2)
  find('a.example')
  t.equal(asked.length, 2)
})

t.test('who waits too long is told, who gave up is not, and the answer counts for others', async t => {
  const { clock, found, find, learn, asked } = aWorld()
  find('a.example', 100)
  find('a.example', 1000).cancel()
  await clock.advance(101)
  t.match(found[0], { kind: 'failed', detail: /no answer in 0\.1 s/ })
  learn('a.example', ['192.0.2.1'])
  t.equal(found[1], undefined)
  find('a.example')
  t.match([found[2], asked.length], [{ kind: 'found' }, 1])
})

t.test('callers cannot make it remember, or ask for, names without end', async t => {
  const { found, find, learn, asked } = aWorld()
  for (let index = 0; index < 1000; index += 1) find(`n${index}.example`)
  t.equal(asked.length, 256)
  t.match(found[256], { kind: 'failed', detail: 'too many names are being looked up' })
  for (let index = 0; index < 1500; index += 1) learn(`m${index}.example`, ['192.0.2.1'])
  for (let index = 0; index < 256; index += 1) learn(`n${index}.example`, ['192.0.2.1'])
  asked.length = 0
  find('m0.example')
  find('m1499.example')
  t.same(asked, ['m0.example'], 'the longest known is forgotten first')
})
