import t from 'tap'
import { setsHold, setText, writeSets } from '../../../../agent/intercept/ipset.ts'
import type { Tools } from '../../../../agent/intercept/tools.ts'

const endpoints = [
  { address: '10.0.0.2', port: 80 },
  { address: '10.0.0.1', port: 8080 },
  { address: '10.0.0.1', port: 8080 },
  { address: '2001:DB8:0::1', port: 80 },
]

t.test('a set is filled aside and swapped in', async t => {
  t.equal(
    setText({ endpoints }, 4),
    `create weft-endpoints-4 hash:ip,port family inet maxelem 1048576
create weft-endpoints-4-next hash:ip,port family inet maxelem 1048576
flush weft-endpoints-4-next
add weft-endpoints-4-next 10.0.0.1,tcp:8080
add weft-endpoints-4-next 10.0.0.2,tcp:80
swap weft-endpoints-4-next weft-endpoints-4
destroy weft-endpoints-4-next
`,
  )
  t.match(setText({ endpoints }, 6), 'add weft-endpoints-6-next 2001:db8::1,tcp:80\nswap')
})

t.test('an endpoint that is no address never becomes a line', async t => {
  t.throws(() => setText({ endpoints: [{ address: '10.0.0.1\ndestroy', port: 80 }] }, 4), { code: 'WEFT_CAPTURE' })
})

t.test('missing, surplus and absent sets are seen', async t => {
  const tools = (saved: Readonly<Record<string, string>>): Tools => ({
    run: async (_, [verb, name = '']) => (verb === 'list' ? Object.keys(saved).join('\n') : (saved[name] ?? '')),
  })
  const v6 = 'create weft-endpoints-6 ...\nadd weft-endpoints-6 2001:db8::1,tcp:80\n'
  const v4 = 'create ...\nadd weft-endpoints-4 10.0.0.1,tcp:8080\nadd weft-endpoints-4 10.0.0.2,tcp:80\n'
  const hold = (four: string) => setsHold(tools({ 'weft-endpoints-4': four, 'weft-endpoints-6': v6 }), { endpoints })
  t.equal(await hold(v4), true)
  t.equal(await hold(v4.replace(/add.*\n$/, '')), false)
  t.equal(await hold(`${v4}add weft-endpoints-4 10.9.9.9,tcp:1\n`), false)
  t.equal(await hold(v4.replace('tcp:80\n', 'tcp:81\n')), false)
  t.equal(await setsHold(tools({}), { endpoints: [] }), false)
})

t.test('ranges are written as the kernel keeps them, which has none of everything', async t => {
  const ranges = ['10.1.2.3/8', '192.0.2.7/32', '0.0.0.0/0', '2001:DB8::5/32', '::/0'].map(range => ({
    range,
    port: 443,
  }))
  const added = (family: 4 | 6) =>
    setText({ endpoints: [], ranges }, family, 'ranges')
      .split('\n')
      .filter(line => line.startsWith('add '))
      .map(line => line.split(' ')[2])
  t.same(added(4), ['0.0.0.0/1,tcp:443', '10.0.0.0/8,tcp:443', '128.0.0.0/1,tcp:443', '192.0.2.7,tcp:443'])
  t.same(added(6), ['2001:db8::/32,tcp:443', '8000::/1,tcp:443', '::/1,tcp:443'])
  t.match(setText({ endpoints: [], ranges }, 4, 'ranges'), /^create weft-ranges-4 hash:net,port family inet /)
})

t.test('sets of ranges are made with the first range and emptied after the last', async t => {
  const written: string[] = []
  const tools: Tools = {
    run: async (_command, _args, input = '') => {
      written.push(...(input.match(/^create \S+(?<!next) |^add .*ranges.*/gm) ?? []))
      return ''
    },
  }
  const ranged = { endpoints: [], ranges: [{ range: '10.0.0.0/8', port: 80 }] }
  await writeSets(tools, { endpoints: [] }, undefined)
  t.notMatch(written.join('\n'), 'ranges')
  await writeSets(tools, ranged, { endpoints: [] })
  t.match(written.splice(0).join('\n'), 'add weft-ranges-4-next 10.0.0.0/8,tcp:80')
  await writeSets(tools, { endpoints: [] }, ranged)
  t.match(written.join('\n'), 'create weft-ranges-4 ')
  t.notMatch(written.join('\n'), 'add ')
})
