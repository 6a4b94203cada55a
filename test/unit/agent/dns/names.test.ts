import t from 'tap'
import { readQuery } from '../../../../agent/dns/message.ts'
import { answerOf, prepareNames } from '../../../../agent/dns/names.ts'
import { queryBytes, read } from '../../../support/dns-client.ts'

const v4 = ['10.0.0.1', '10.0.0.2', '10.0.0.3', '10.0.0.4']
const names = prepareNames({ names: new Map([['api.default.mesh', { v4, v6: [] }]]) })

function ask(name: string, random: () => number) {
  const query = readQuery(queryBytes(name))
  if (query.kind !== 'query') throw new Error('not a query')
  return answerOf(query, 'mesh', names, random)
}

t.test('addresses come in a different order by chance, always all of them', async t => {
  const draws = [0.9, 0.1, 0.5]
  const first = read(ask('api.default.mesh', () => 0)).data
  const second = read(ask('api.default.mesh', () => draws.pop() ?? 0.99)).data
  t.notSame(first, second)
  t.same(first.toSorted(), v4)
  t.same(second.toSorted(), v4)
})

t.test('a name outside the zone that nobody declared is not ours to answer', async t => {
  t.equal(
    ask('api.default.mesh.example.com', () => 0),
    undefined,
  )
  t.equal(
    ask('default', () => 0),
    undefined,
  )
})
