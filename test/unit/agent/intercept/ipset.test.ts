import t from 'tap'
import { endpointSetsHold, setText } from '../../../../agent/intercept/ipset.ts'
import type { Tools } from '../../../../agent/intercept/tools.ts'

const endpoints = [
  { address: '10.0.0.2', port: 80 },
  { address: '10.0.0.1', port: 8080 },
  { address: '10.0.0.1', port: 8080 },
  { address: '2001:DB8:0::1', port: 80 },
]

t.test('a set is filled aside and swapped in', async t => {
  t.equal(
    setText(endpoints, 4),
    `create weft-endpoints-4 hash:ip,port family inet maxelem 1048576
create weft-endpoints-4-next hash:ip,port family inet maxelem 1048576
flush weft-endpoints-4-next
add weft-endpoints-4-next 10.0.0.1,tcp:8080
add weft-endpoints-4-next 10.0.0.2,tcp:80
swap weft-endpoints-4-next weft-endpoints-4
destroy weft-endpoints-4-next
`,
  )
  t.match(setText(endpoints, 6), 'add weft-endpoints-6-next 2001:db8::1,tcp:80\nswap')
})

t.test('an endpoint that is no address never becomes a line', async t => {
  t.throws(() => setText([{ address: '10.0.0.1\ndestroy', port: 80 }], 4), { code: 'WEFT_CAPTURE' })
})

t.test('missing, surplus and absent sets are seen', async t => {
  const tools = (saved: Readonly<Record<string, string>>): Tools => ({
    run: async (_, [verb, name = '']) => (verb === 'list' ? Object.keys(saved).join('\n') : (saved[name] ?? '')),
  })
  const v6 = 'create weft-endpoints-6 ...\nadd weft-endpoints-6 2001:db8::1,tcp:80\n'
  const v4 = 'create ...\nadd weft-endpoints-4 10.0.0.1,tcp:8080\nadd weft-endpoints-4 10.0.0.2,tcp:80\n'
  const hold = (four: string) =>
    endpointSetsHold(tools({ 'weft-endpoints-4': four, 'weft-endpoints-6': v6 }), endpoints)
  t.equal(await hold(v4), true)
  t.equal(await hold(v4.replace(/add.*\n$/, '')), false)
  t.equal(await hold(`${v4}add weft-endpoints-4 10.9.9.9,tcp:1\n`), false)
  t.equal(await hold(v4.replace('tcp:80\n', 'tcp:81\n')), false)
  t.equal(await endpointSetsHold(tools({}), []), false)
})
