import assert from 'node:assert/strict'
import { mkdirSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import type { RegistryStatus } from '../../server/status.ts'
import { eventually } from '../support/eventually.ts'
import { startTestServer, testServerConfig } from '../support/server.ts'

interface Service {
  readonly namespace: string
  readonly name: string
  readonly endpoints: number
}

/** A server whose registry reads these files below a directory. */
async function start(t: Test, files: readonly string[], texts: Readonly<Record<string, string>>) {
  const top = t.testdir()
  const at = (name: string) => join(top, name)
  const write = (name: string, text: string) => {
    mkdirSync(dirname(at(name)), { recursive: true })
    writeFileSync(at(name), text)
  }
  for (const [name, text] of Object.entries(texts)) write(name, text)
  const registry = { name: 'files', kind: 'static', files: files.map(at) }
  const { running, api } = await startTestServer(testServerConfig(at('data'), [registry]))
  t.teardown(() => running.stop())
  const status = async () => {
    const { registries } = await api.get<{ registries: RegistryStatus[] }>('/v1/status')
    const found = registries.find(one => one.name === 'files')
    assert.ok(found)
    return found
  }
  const shows = (...names: readonly string[]) =>
    eventually(async () => {
      const { services } = await api.get<{ services: Service[] }>('/v1/services')
      assert.deepEqual(services.map(one => `${one.name} ${one.endpoints}`).sort(), [...names].sort())
    })
  return { at, write, status, shows }
}

const service = (name: string) => `services: [{ name: ${name}, ports: { http: 80 } }]\n`
const workload = (name: string, of: string) =>
  `workloads: [{ name: ${name}, address: 10.0.0.1, services: { ${of}: 8080 } }]\n`

t.test('files, directories and globs in several places, with what they include, make one registry', async t => {
  const { at, write, status, shows } = await start(t, ['main.yaml', 'teams/**/*.mesh.yaml'], {
    'main.yaml': `include: [common/*.yaml]\n${service('main')}`,
    'common/db.yaml': service('db'),
    'teams/a/x.mesh.yaml': service('a'),
    'teams/b/deep/down/y.mesh.yaml': `${service('b')}---\n${workload('b-1', 'main')}`,
    'teams/b/deep/down/other.yaml': service('not-me'),
  })
  await shows('a 0', 'b 0', 'db 0', 'main 1')
  t.match(await status(), { state: 'fresh', problems: [] })

  write('common/db-1.yaml', workload('db-1', 'db'))
  await shows('a 0', 'b 0', 'db 1', 'main 1')
  write('teams/c/new/z.mesh.yaml', service('c'))
  await shows('a 0', 'b 0', 'c 0', 'db 1', 'main 1')
  rmSync(at('teams/a'), { recursive: true })
  await shows('b 0', 'c 0', 'db 1', 'main 1')

  await t.test('mistakes are told with their place, and what was said stays', async () => {
    write('common/db.yaml', 'services:\n  - name: db\n    ports: { http: 80 }\n    prots: { http: 80 }\n')
    write('main.yaml', `${service('main')}---\ninclude:\n  - common/*.yaml\n  - common/missing.yaml\n`)
    write('common/loop.yaml', 'include: [../main.yaml]\n')
    await eventually(async () => {
      const { problems } = await status()
      const said = problems.map(({ item, reason }) => `${item} ${reason}`.replaceAll(`${at('.')}/`, ''))
      assert.deepEqual(said.sort(), [
        'common/db.yaml:4:5 services[0].prots: is not a field, did you mean ports?',
        'common/loop.yaml:1:11 includes ../main.yaml, which includes this file: main.yaml > common/loop.yaml > main.yaml',
        'main.yaml:5:5 includes common/missing.yaml, which is not there',
      ])
    })
    await shows('b 0', 'c 0', 'db 1', 'main 1')
  })

  await t.test('a directory of the configuration that goes away makes it stale, and takes nothing away', async t => {
    renameSync(at('teams'), at('away'))
    await eventually(async () => assert.equal((await status()).state, 'stale'))
    t.match((await status()).reason, `cannot read ${at('teams')}: ENOENT`)
    await shows('b 0', 'c 0', 'db 1', 'main 1')
    renameSync(at('away'), at('teams'))
    await eventually(async () => assert.equal((await status()).state, 'fresh'))
  })
})

t.test('a directory of links that is swapped whole, as a mounted ConfigMap is, is followed', async t => {
  const { at, write, shows } = await start(t, ['mount'], { 'mount/..1/api.yaml': service('api') })
  symlinkSync('..1', at('mount/..data'))
  symlinkSync('..data/api.yaml', at('mount/api.yaml'))
  await shows('api 0')
  write('mount/..2/api.yaml', service('web'))
  symlinkSync('..2', at('mount/..next'))
  renameSync(at('mount/..next'), at('mount/..data'))
  await shows('web 0')
})

t.test('a change of the mapping is in effect with the next start, and is no disappearance', async t => {
  const top = t.testdir()
  const directory = join(top, 'services')
  mkdirSync(directory)
  const names = ['a', 'b', 'c', 'd', 'e']
  for (const name of names) {
    writeFileSync(join(directory, `${name}.yaml`), `${service(name)}---\n${workload(`${name}-1`, name)}`)
  }
  const registry = { name: 'files', kind: 'static', directory }
  const run = async (more: object) => {
    const { running, api } = await startTestServer(testServerConfig(join(top, 'data'), [{ ...registry, ...more }]))
    t.teardown(() => running.stop())
    const shows = (...keys: readonly string[]) =>
      eventually(async () => {
        const { services } = await api.get<{ services: Service[] }>('/v1/services')
        assert.deepEqual(services.map(one => `${one.namespace}/${one.name}`).sort(), [...keys].sort())
      })
    return { running, api, shows }
  }
  const before = await run({})
  await before.shows(...names.map(name => `default/${name}`))
  await before.running.stop()
  const after = await run({ mapping: { namespace: '{registry}' } })
  await after.shows(...names.map(name => `files/${name}`))
  const { registries } = await after.api.get<{ registries: RegistryStatus[] }>('/v1/status')
  t.equal(registries.find(one => one.name === 'files')?.held, undefined)
})
