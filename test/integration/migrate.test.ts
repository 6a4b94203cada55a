import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createContext } from '../../cli/context.ts'
import { buildProgram } from '../../cli/program.ts'
import { foregroundClock } from '../../mesh/std/clock.ts'
import { eventually } from '../support/eventually.ts'
import { connectAgent, joinHost } from '../support/mesh-agent.ts'
import { startTestServer, testServerConfig } from '../support/server.ts'

/** The service api with workloads at these addresses. */
function registryFile(addresses: readonly string[], weight = 1): string {
  const workloads = addresses.map((address, at) => {
    return { name: `api-${at}`, node: `vm-${address.replaceAll('.', '-')}`, address, weight, services: { api: 8080 } }
  })
  return JSON.stringify({ services: [{ name: 'api', ports: { http: 80 } }], workloads })
}

/** A server that follows two registries of files, both with api, an agent, and the command line of an operator. */
async function start(t: Test) {
  const folder = t.testdir()
  const write = (registry: string, text: string) => writeFileSync(join(folder, registry, 'api.json'), text)
  for (const name of ['old', 'new']) mkdirSync(join(folder, name))
  write('old', registryFile(['10.0.0.1', '10.0.0.2']))
  write('new', registryFile(['10.0.1.1']))
  const registries = ['old', 'new'].map(name => ({ name, kind: 'static', directory: join(folder, name) }))
  const config = testServerConfig(join(folder, 'data'), registries)
  let server = await startTestServer(config)
  t.teardown(() => server.running.stop())
  const { token } = await server.api.post<{ token: string }>('/v1/tokens', JSON.stringify({ node: 'vm-1' }))
  const joined = await joinHost(server.running.addresses.api ?? '', token)
  const connect = async () => {
    const agent = await connectAgent({
      transport: 'websocket',
      address: server.running.addresses.websocket ?? '',
      joined,
    })
    t.teardown(() => agent.close())
    /** Address to weight, as the agent was told last. */
    return () => {
      const endpoints = agent.applied.at(-1)?.config.services[0]?.endpoints ?? []
      return Object.fromEntries(endpoints.map(one => [one.address, one.weight]))
    }
  }
  const weft = async (line: string) => {
    const printed: string[] = []
    const context = createContext(
      foregroundClock,
      text => printed.push(text),
      () => server.api,
      () => Promise.reject(new Error('no agent is asked')),
    )
    await buildProgram(context).parseAsync(line.split(' '), { from: 'user' })
    return printed.join('\n')
  }
  const restart = async () => {
    await server.running.stop()
    server = await startTestServer(config)
  }
  return { folder, write, connect, weft, restart }
}

t.test('a service moves from one registry to another step by step, in what agents are told', async t => {
  const { connect, weft } = await start(t)
  const weights = await connect()
  await eventually(() => assert.deepEqual(weights(), { '10.0.0.1': 1, '10.0.0.2': 1 }))

  t.equal(
    await weft('migrate api --from old --to new --step 10'),
    'default/api: old 100 % -> 90 % (2 of 2 healthy), new 0 % -> 10 % (1 of 1 healthy)\n  by ServiceMerge default/api',
  )
  await eventually(() => {
    assert.deepEqual(weights(), { '10.0.0.1': 450_000, '10.0.0.2': 450_000, '10.0.1.1': 100_000 })
  })
  const detail = await weft('services api')
  t.match(detail, /^rule union, from ServiceMerge default\/api$/m)
  t.match(detail, /^old +default\/api-0 +10\.0\.0\.1:8080 +vm-10-0-0-1 +45 % +healthy +assumed /m)
  t.match(detail, /^new +default\/api-0 +10\.0\.1\.1:8080 +vm-10-0-1-1 +10 % +healthy +assumed /m)

  await weft('migrate api --from old --to new --to-share 80')
  await eventually(() => {
    assert.deepEqual(weights(), { '10.0.0.1': 100_000, '10.0.0.2': 100_000, '10.0.1.1': 800_000 })
  })
  t.match(await weft('migrate api --from old --to new --step 50'), /all of it goes to new now/)
  await eventually(() => assert.deepEqual(weights(), { '10.0.0.1': 0, '10.0.0.2': 0, '10.0.1.1': 1_000_000 }))
  await weft('migrate api --from old --to new --abort')
  await eventually(() => assert.deepEqual(weights(), { '10.0.0.1': 500_000, '10.0.0.2': 500_000, '10.0.1.1': 0 }))
})

t.test('every so often a step, until all has moved', async t => {
  const { connect, weft } = await start(t)
  const weights = await connect()
  const printed = await weft('migrate api --from old --to new --step 40 --every 1s')
  t.equal(printed.split('\n').filter(line => line.startsWith('default/api: ')).length, 3)
  await eventually(() => assert.deepEqual(weights(), { '10.0.0.1': 0, '10.0.0.2': 0, '10.0.1.1': 1_000_000 }))
})

t.test('the registry’s share stays when its endpoints become more, and a restart forgets nothing', async t => {
  const { write, connect, weft, restart } = await start(t)
  await weft('migrate api --from old --to new --to-share 30')
  write('new', registryFile(['10.0.1.1', '10.0.1.2', '10.0.1.3']))
  const shared = {
    '10.0.0.1': 350_000,
    '10.0.0.2': 350_000,
    '10.0.1.1': 100_000,
    '10.0.1.2': 100_000,
    '10.0.1.3': 100_000,
  }
  const weights = await connect()
  await eventually(() => assert.deepEqual(weights(), shared))
  await restart()
  const again = await connect()
  await eventually(() => assert.deepEqual(again(), shared))
  // what was on disk is served at once, but more goes only to a registry that is in touch
  await eventually(async () => {
    const registries: { state: string }[] = JSON.parse(await weft('registries -o json'))
    assert.deepEqual([...new Set(registries.map(one => one.state))], ['fresh'])
  })
  t.match(await weft('migrate api --from old --to new --step 10'), /old 70 % -> 60 %/)
})

t.test('nothing moves to where nothing takes connections, and what has moved stays', async t => {
  const { write, connect, weft } = await start(t)
  const weights = await connect()
  await weft('migrate api --from old --to new --step 10')
  write('new', registryFile(['10.0.1.1'], 0))
  await eventually(() => assert.equal(weights()['10.0.1.1'], 0))
  await t.rejects(weft('migrate api --from old --to new --step 10'), {
    code: 'WEFT_MIGRATION_REFUSED',
    message: 'registry new has no healthy endpoint of default/api',
  })
  t.match(await weft('get servicemerge api -o json'), /"old": 90,\s+"new": 10/)
})

t.test('a rule in a file that names an unknown registry is refused at its line', async t => {
  const { folder, weft } = await start(t)
  const file = join(folder, 'merge.yaml')
  const spec = 'spec:\n  services: [api]\n  rule: prefer\n  prefer: consul\n'
  writeFileSync(file, `apiVersion: weft.dev/v1\nkind: ServiceMerge\nmetadata: { name: api }\n${spec}`)
  await t.rejects(weft(`apply -f ${file}`), {
    code: 'WEFT_RESOURCE_INVALID',
    message: /merge\.yaml:7:11: spec\.prefer: consul is no registry of this server, which has resources, old, new/,
  })
})
