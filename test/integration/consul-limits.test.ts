import { get } from 'node:http'
import t from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createConsulAdapter } from '../../registry-adapters/consul/adapter.ts'
import { startConsul } from '../support/consul.ts'
import { quickPace, registrationOf } from '../support/consul-driver.ts'
import { eventually, until } from '../support/eventually.ts'
import { httpOnce } from '../support/http-json.ts'
import { endpointsOf, watchAdapter } from '../support/watch-adapter.ts'

t.test('a Consul that bears fewer connections than the registry may open is followed with those', async t => {
  const consul = await startConsul({ config: { limits: { http_max_conns_per_client: 24 } } })
  t.teardown(() => consul.stop())
  const register = (number: number, port: number) =>
    consul.register(registrationOf({ id: `s${number}-1`, service: `s${number}`, address: '10.88.0.1', port }))
  for (let number = 0; number < 60; number += 1) await register(number, 8080)
  const warnings: string[] = []
  const log = { ...silentLog, warn: (message: string) => void warnings.push(message) }
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log }
  const watched = watchAdapter(t, report =>
    createConsulAdapter(
      { ...deps, report },
      { address: consul.address, maxOpenQueries: 64, waitMs: 1_000, pace: quickPace },
    ),
  )
  const first = await watched.view(() => true)
  t.equal(first.services.size, 60)
  await watched.stands('fresh')
  for (const number of [3, 17, 42, 59]) {
    // The test is the same client to Consul, and may be refused as well.
    await eventually(() => register(number, 9090))
    await watched.view(view => endpointsOf(view, `s${number}`)?.join() === '10.88.0.1:9090')
  }
  await watched.stands('fresh')
  t.same(new Set(warnings), new Set(['consul takes fewer open queries than it may be asked']))
  t.ok(
    watched.views.every(view => view.services.size === 60),
    'never an emptier view',
  )
})

t.test('Consul holds a query that was hung up on, and counts its connection, until its wait is over', async t => {
  const consul = await startConsul({ config: { limits: { http_max_conns_per_client: 8 } } })
  t.teardown(() => consul.stop())
  const { headers } = await eventually(() => httpOnce('GET', `${consul.address}/v1/health/service/consul`))
  const query = `${consul.address}/v1/health/service/consul?wait=2s&index=${headers['x-consul-index']}`
  const queries = Array.from({ length: 8 }, () => get(query, { agent: false }).on('error', () => {}))
  const isRefused = () =>
    httpOnce('GET', `${consul.address}/v1/status/leader`).then(
      () => false,
      () => true,
    )
  await until('all of them are held', isRefused)
  for (const one of queries) one.destroy()
  await until('they are closed here', () => queries.every(one => one.closed))
  t.ok(await isRefused())
  await until('their wait is over', async () => !(await isRefused()))
})
