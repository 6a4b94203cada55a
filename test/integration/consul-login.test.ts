import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../mesh/std/clock.ts'
import { silentLog } from '../../mesh/std/log.ts'
import { createConsulAdapter } from '../../registry-adapters/consul/adapter.ts'
import { startConsul } from '../support/consul.ts'
import { quickPace, registrationOf } from '../support/consul-driver.ts'
import { setUpJwtLogin } from '../support/consul-jwt.ts'
import { eventually } from '../support/eventually.ts'
import { endpointsOf, watchAdapter } from '../support/watch-adapter.ts'

const master = 'b1gs33cr-0000-4000-8000-000000000001'
const acl = { enabled: true, default_policy: 'deny', tokens: { master, agent: master } }
const readAll = 'service_prefix "" { policy = "read" } node_prefix "" { policy = "read" }'

t.test('by login with a JWT', async t => {
  const consul = await startConsul({ config: { acl, primary_datacenter: 'dc1' }, token: master })
  t.teardown(() => consul.stop())
  await consul.register(registrationOf({ id: 'api-1', service: 'api', address: '10.88.0.1', port: 8080 }))
  const authority = await setUpJwtLogin(consul, readAll)
  const tokens = async () => {
    const all = (await consul.api('GET', '/acl/tokens')) as { AccessorID: string; AuthMethod?: string }[]
    return all.filter(token => token.AuthMethod === 'weft').map(token => token.AccessorID)
  }

  await t.test('the registry is read, and the token is given back at the end', async t => {
    const { watched } = start(t, consul.address, authority.issue('weft-server'))
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
    t.equal((await tokens()).length, 1, 'one login for all requests')
    await watched.stop()
    t.same(await tokens(), [])
  })

  await t.test('a token that is deleted is replaced', async t => {
    const { watched } = start(t, consul.address, authority.issue('weft-server'))
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
    const [first = ''] = await tokens()
    await consul.api('DELETE', `/acl/token/${first}`)
    await eventually(async () => {
      const [now] = await tokens()
      if (now === undefined || now === first) throw new Error('no other token yet')
    })
    await watched.stands('fresh')
  })

  await t.test('whom the method does not know is failing, by name, until the file holds a better token', async t => {
    const { watched, file } = start(t, consul.address, authority.issue('somebody'))
    await watched.stands('failing', /refuses.*\/acl\/login.*403/)
    t.same(watched.views, [])
    writeFileSync(file, authority.issue('weft-server'))
    await watched.view(view => endpointsOf(view, 'api')?.length === 1)
    await watched.stands('fresh')
  })
})

function start(t: Test, address: string, bearer: string) {
  const directory = mkdtempSync(join(tmpdir(), 'weft-consul-login-'))
  t.teardown(() => rmSync(directory, { recursive: true }))
  const file = join(directory, 'jwt')
  writeFileSync(file, bearer)
  const deps = { name: 'consul', clock: systemClock, random: systemRandom, log: silentLog }
  const watched = watchAdapter(t, report =>
    createConsulAdapter(
      { ...deps, report },
      { address, login: { method: 'weft', bearerTokenFile: file }, pace: quickPace },
    ),
  )
  return { watched, file }
}
