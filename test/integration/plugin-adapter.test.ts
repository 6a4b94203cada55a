import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t, { type Test } from 'tap'
import { loadServerConfig } from '../../server/config.ts'
import type { RegistryStatus } from '../../server/status.ts'
import { startTinyRegistry } from '../fixtures/adapter-example/tiny-registry.ts'
import { eventually } from '../support/eventually.ts'
import { startTestServer, testServerConfig } from '../support/server.ts'

const page = readFileSync('docs/adapters.md', 'utf8')

/** The code that stands in the page under a heading, in this language, the first that has the text in it. */
function codeOf(heading: string, language: string, having: string): string {
  const [, section = ''] = page.split(`\n## ${heading}\n`)
  const blocks = [...(section.split('\n## ')[0] ?? '').matchAll(/^```(\w+)\n(.*?)^```$/gms)]
  const found = blocks.find(([, lang, text = '']) => lang === language && text.includes(having))?.[2]
  assert.ok(found, `${heading} has no ${language} with ${having}`)
  return found
}

const folders = new WeakMap<Test, string>()

/** A directory of the test's own, and in it one of this name. */
function folder(t: Test, name: string): string {
  const top = folders.get(t) ?? t.testdir()
  folders.set(t, top)
  mkdirSync(join(top, name), { recursive: true })
  return join(top, name)
}

/** The package of the example, as npm would install it, with this for its code. */
function install(t: Test, index = codeOf('An example', 'js', 'createAdapter')): string {
  const directory = folder(t, 'plugins')
  const manifest = codeOf('An example', 'json', '"exports"')
  const home = join(directory, 'node_modules', (JSON.parse(manifest) as { name: string }).name)
  mkdirSync(home, { recursive: true })
  writeFileSync(join(home, 'package.json'), manifest)
  writeFileSync(join(home, 'index.js'), index)
  return directory
}

async function tinyRegistry(t: Test) {
  const tiny = await startTinyRegistry()
  t.teardown(() => tiny.driver.stop())
  return tiny
}

/** A server with one registry, of a plugin. */
async function serverWith(t: Test, registry: object) {
  const dataDir = folder(t, 'data')
  const config = testServerConfig(dataDir, [
    { name: 'tiny', kind: 'plugin', package: 'weft-adapter-tiny', ...registry },
  ])
  const { running, api } = await startTestServer(config)
  t.teardown(() => running.stop())
  const registryStatus = async () => {
    const { registries } = await api.get<{ registries: RegistryStatus[] }>('/v1/status')
    return registries.find(one => one.name === 'tiny')
  }
  const weft = async (...args: readonly string[]) => {
    const reach = ['--server', running.addresses.api ?? '', '--token-file', join(dataDir, 'admin-token')]
    const { stdout } = await promisify(execFile)(process.execPath, ['cli/main.ts', ...args, ...reach])
    return stdout
  }
  return { registryStatus, weft }
}

const api1 = { id: 'api-1', service: 'api', address: '10.0.0.1', port: 8080 }

t.test('the example of the documentation, installed as a package, feeds a server', async t => {
  const { url, driver } = await tinyRegistry(t)
  await driver.put(api1)
  await driver.putBad('bad-1')
  const pluginDir = install(t)
  const { weft, registryStatus } = await serverWith(t, { pluginDir, options: { url, intervalMs: 20 } })
  await eventually(
    async () => assert.match(await weft('services'), /default +api .* 8080\/http +1\/1 +mesh +tiny/),
    30_000,
  )
  const status = await registryStatus()
  t.match(status, { kind: 'plugin', state: 'fresh', services: 1, workloads: 1 })
  t.match(status?.problems, [{ item: 'instance bad-1', reason: 'it has no IP address' }])
  await driver.put({ ...api1, id: 'api-2', address: '10.0.0.2' })
  await eventually(async () => assert.match(await weft('services'), /default +api .* 2\/2/), 30_000)
  await driver.fail()
  await eventually(async () => {
    const failing = await registryStatus()
    assert.equal(failing?.state, 'stale')
    assert.match(failing?.reason ?? '', /it answers with status 500/)
  })
  t.match(await weft('services'), /default +api .* 2\/2/, 'its last good view stays')
})

t.test('names, namespaces and hosts of a registry are mapped on their way in', async t => {
  const { url, driver } = await tinyRegistry(t)
  await driver.put(api1)
  const mapping = { name: '{registry}-{name}', namespace: '{registry}', hosts: ['{name}.service.tiny'] }
  const { weft } = await serverWith(t, { pluginDir: install(t), options: { url, intervalMs: 20 }, mapping })
  await eventually(async () => assert.match(await weft('services'), /tiny +tiny-api /), 30_000)
  t.match(JSON.parse(await weft('services', 'tiny-api.tiny', '-o', 'json')), [
    { namespace: 'tiny', name: 'tiny-api', hosts: ['api.service.tiny'], registries: [{ registry: 'tiny' }] },
  ])
})

t.test('an adapter that does everything wrong harms no other registry', async t => {
  const directory = folder(t, 'services')
  writeFileSync(join(directory, 'a.yaml'), 'services: [{ name: files, ports: { http: 80 } }]\n')
  const wrong = `export const api = 1
    export const createAdapter = deps => ({
      async *watch() {
        deps.report(7)
        deps.clock.timer(1, () => { throw new Error('in a timer') })
        for (let n = 0; ; n += 1) {
          if (n % 5 === 4) throw new Error('for no reason')
          yield [undefined, { services: [], workloads: {} }, { services: deps.toolkit.tableOf([['a', 7]]), workloads: deps.toolkit.tableOf() }][n % 3]
        }
      },
    })`
  const config = testServerConfig(folder(t, 'data'), [
    { name: 'tiny', kind: 'plugin', package: 'weft-adapter-tiny', pluginDir: install(t, wrong) },
    { name: 'files', kind: 'static', directory },
  ])
  const { running, api } = await startTestServer(config)
  t.teardown(() => running.stop())
  const statuses = async () => (await api.get<{ registries: RegistryStatus[] }>('/v1/status')).registries
  await eventually(async () => {
    const [tiny, files] = ['tiny', 'files'].map(name => statuses().then(all => all.find(one => one.name === name)))
    assert.equal((await files)?.services, 1)
    assert.ok((await tiny)?.problems.some(problem => problem.item === 'service a'))
  })
  await running.stop()
  t.pass('and the server stops')
})

t.test('a server whose plugin is not there does not start, and says what to do', async t => {
  await t.rejects(serverWith(t, { pluginDir: '/nonexistent' }), {
    code: 'WEFT_CONFIG_INVALID',
    message: 'package weft-adapter-tiny of registry tiny is not installed in /nonexistent',
    next: /npm install --prefix \/nonexistent weft-adapter-tiny/,
  })
})

t.test('a server whose plugin refuses its options does not start', async t => {
  await t.rejects(serverWith(t, { pluginDir: install(t), options: { url: 'here' } }), {
    code: 'WEFT_CONFIG_INVALID',
    message: /refuses its options: url must be the address of the registry/,
  })
})

t.test('without pluginDir a package is found beside the configuration', async t => {
  const { url, driver } = await tinyRegistry(t)
  await driver.put(api1)
  const directory = install(t)
  const file = join(directory, 'server.yaml')
  const registry = { name: 'tiny', kind: 'plugin', package: 'weft-adapter-tiny', options: { url } }
  writeFileSync(file, JSON.stringify({ registries: [registry] }))
  const { registries } = loadServerConfig({ file, env: {}, flags: {} })
  const { running, api } = await startTestServer(testServerConfig(folder(t, 'data'), [], { registries }))
  t.teardown(() => running.stop())
  await eventually(async () => {
    const { registries } = await api.get<{ registries: RegistryStatus[] }>('/v1/status')
    assert.equal(registries.find(one => one.name === 'tiny')?.state, 'fresh')
  })
})

t.test('the compliance suite is run on the example as the page says', async t => {
  const directory = install(t)
  const test = codeOf('Trying it', 'ts', 'testRegistryAdapter')
    .replaceAll(/from '\.\.?\/(.*)'/g, (said, path: string) => {
      const from = said.includes("'../") ? '../..' : '..'
      return `from '${new URL(`${from}/${path}`, import.meta.url).href}'`
    })
    .replace('/opt/weft-plugins', directory)
  assert.ok(test.includes(directory))
  const file = join(directory, 'tiny.test.ts')
  writeFileSync(file, test)
  const { stdout } = await promisify(execFile)(process.execPath, [file], { maxBuffer: 1 << 26 }).catch(error => error)
  const said = String(stdout)
  t.match(said, /^ok 1 - the adapter of the tiny registry keeps its promises/m)
  t.notMatch(said, /not ok|# SKIP/i)
  t.ok([...said.matchAll(/^ {4}ok \d+ - /gm)].length >= 30, 'every test of the suite')
})

t.test('the types on the page are those of the code', async t => {
  const directory = folder(t, 'types')
  const documented = codeOf('The types', 'ts', 'interface AdapterPlugin')
  writeFileSync(join(directory, 'weft-adapter.d.ts'), documented)
  const names = [...documented.matchAll(/^export (?:interface|type) (\w+)/gm)].map(match => match[1] ?? '')
  t.ok(names.length >= 18)
  const root = new URL('../..', import.meta.url).pathname
  const homes: Readonly<Record<string, readonly string[]>> = {
    'registry-adapters/plugin/contract.ts': ['AdapterPlugin', 'PluginDeps', 'PluginOptions'],
    'registry-adapters/plugin/toolkit.ts': ['Toolkit'],
    'registry-adapters/adapter.ts': ['RegistryAdapter', 'AdapterHealth'],
    'mesh/model/catalogue.ts': ['RegistrySnapshot', 'RegistryProblem'],
    'mesh/std/table.ts': ['Table'],
    'mesh/model/service.ts': ['Service', 'ServicePort', 'Endpoint'],
    'mesh/model/workload.ts': ['Workload', 'CallerSelector'],
    'mesh/model/locality.ts': ['Locality'],
    'mesh/model/probe.ts': ['Probe', 'ProbeCheck'],
    'mesh/std/clock.ts': ['Clock'],
    'mesh/std/log.ts': ['Log'],
  }
  t.same(Object.values(homes).flat().sort(), names.sort(), 'every type of the page has its place in the code')
  const imports = Object.entries(homes).map(
    ([file, types]) =>
      `import type { ${types.map(name => `${name} as Real${name}`).join(', ')} } from '${join(root, file)}'`,
  )
  // plugins list their endpoints: what finds others is not for them to say
  const special: Readonly<Record<string, readonly [string, string]>> = {
    Table: ['Table<string>', 'RealTable<string>'],
    Service: ['Service', "Omit<RealService, 'resolution' | 'dnsEndpoints' | 'subjectAltNames'>"],
  }
  const checks = names.map(name => {
    const [of, real] = special[name] ?? [name, `Real${name}`]
    return `export const ${name}IsReal: Same<${of}, ${real}> = true`
  })
  const source = `import type { ${names.join(', ')} } from './weft-adapter.d.ts'
${imports.join('\n')}
type Keys<T> = T extends unknown ? keyof T : never
type Both<A, B> = [A] extends [B] ? ([B] extends [A] ? true : false) : false
type Same<A, B> = Both<A, B> extends true ? Both<Keys<A>, Keys<B>> : false
${checks.join('\n')}
export const notTheSame: Same<{ a: 1 }, { a: 1; b?: 2 }> = true
`
  const compilerOptions = { rewriteRelativeImportExtensions: false }
  const check = join(directory, 'check.ts')
  const tsconfig = { extends: join(root, 'tsconfig.json'), compilerOptions, files: [check], include: [] }
  writeFileSync(check, source)
  writeFileSync(join(directory, 'tsconfig.json'), JSON.stringify(tsconfig))
  // without the loaders that tap gives to every process
  const tsc = ['-u', 'NODE_OPTIONS', 'tsc', '--project', directory]
  const { stdout } = await promisify(execFile)('env', tsc).catch(error => error)
  const complaints = String(stdout).match(/check\.ts\(.*|weft-adapter\.d\.ts\(.*/g)
  const line = source.split('\n').findIndex(text => text.includes('notTheSame')) + 1
  t.same(complaints, [`check.ts(${line},14): error TS2322: Type 'true' is not assignable to type 'false'.`])
})
