import { mkdirSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t, { type Test } from 'tap'
import { systemClock, systemRandom } from '../../../mesh/std/clock.ts'
import { silentLog } from '../../../mesh/std/log.ts'
import type { AdapterDeps } from '../../../registry-adapters/adapter.ts'
import { loadPlugin, type PluginConfig } from '../../../registry-adapters/plugin.ts'
import { FakeClock } from '../../fakes/clock.ts'

const deps: AdapterDeps = {
  name: 'zk',
  clock: systemClock,
  random: systemRandom,
  log: silentLog,
  report: () => {},
}

const good = 'export const api = 1\nexport const createAdapter = () => ({ async *watch() {} })\n'

/** A directory with a package in its node_modules: files by name, package.json as an object. */
function installed(t: Test, name: string, manifest: object, files: Readonly<Record<string, string>>): string {
  const directory = t.testdir()
  const folder = join(directory, 'node_modules', name)
  const all = { ...files, 'package.json': JSON.stringify({ name, version: '1.0.0', ...manifest }) }
  for (const [file, text] of Object.entries(all)) {
    mkdirSync(dirname(join(folder, file)), { recursive: true })
    writeFileSync(join(folder, file), text)
  }
  return directory
}

function load(given: Partial<PluginConfig>) {
  const config = { registry: 'zk', package: 'weft-adapter-zk', options: {}, directories: [], ...given }
  return loadPlugin(config, systemClock)
}

const manifests: Readonly<Record<string, readonly [object, string]>> = {
  'exports as text': [{ type: 'module', exports: './index.js' }, 'index.js'],
  'exports for import only': [
    { type: 'module', exports: { '.': { types: './x.d.ts', import: './index.js' } } },
    'index.js',
  ],
  'exports of conditions': [{ type: 'module', exports: { import: { default: './lib/a.mjs' } } }, 'lib/a.mjs'],
  main: [{ type: 'module', main: './lib/main.js' }, 'lib/main.js'],
  'no entry at all': [{ type: 'module' }, 'index.js'],
}
for (const [what, [manifest, file]] of Object.entries(manifests)) {
  t.test(`a package with ${what} is found`, async t => {
    const directory = installed(t, '@acme/weft-adapter-zk', manifest, { [file]: good })
    const create = await load({ package: '@acme/weft-adapter-zk', directories: [directory] })
    t.type(create(deps).watch, 'function')
  })
}

t.test('a CommonJS package, and a default export, are plugins too', async t => {
  const common = 'module.exports = { api: 1, createAdapter() { return { async *watch() {} } } }'
  const directory = installed(t, 'weft-adapter-zk', { main: 'a.cjs' }, { 'a.cjs': common })
  t.type((await load({ directories: [directory] }))(deps).watch, 'function')
  const byDefault = 'export default { api: 1, createAdapter: () => ({ async *watch() {} }) }'
  const other = installed(t, 'weft-adapter-other', { type: 'module', exports: './a.js' }, { 'a.js': byDefault })
  t.type((await load({ package: 'weft-adapter-other', directories: [other] }))(deps).watch, 'function')
})

t.test('directories are looked through in order', async t => {
  const directory = installed(t, 'weft-adapter-zk', { type: 'module', exports: './a.js' }, { 'a.js': good })
  await t.resolves(load({ directories: ['/nonexistent', directory] }))
})

t.test('a package that is not there is named with how to install it', async t => {
  await t.rejects(load({ directories: ['/nonexistent/a', '/nonexistent/b'] }), {
    code: 'WEFT_CONFIG_INVALID',
    message: 'package weft-adapter-zk of registry zk is not installed in /nonexistent/a or /nonexistent/b',
    next: /npm install --prefix \/nonexistent\/b weft-adapter-zk, or set pluginDir/,
  })
})

t.test('only names of packages are loaded', async t => {
  for (const name of [
    'fs',
    'node:fs',
    './adapter.js',
    '/etc/adapter.js',
    'data:text/javascript,1',
    '../x',
    'a/b',
    '',
  ]) {
    await t.rejects(load({ package: name, directories: ['/nonexistent'] }), {
      message: /not the name of an npm package/,
    })
  }
})

const refused: Readonly<Record<string, readonly [string, RegExp]>> = {
  'throws while it is loaded': ['throw new Error("broken")', /does not load: broken/],
  'is no JavaScript': ['export const', /does not load: /],
  'exports nothing that is wanted': ['export const x = 1', /exports neither api nor createAdapter/],
  'is of another version': ['export const api = 2', /is made for version 2 of the contract, this server knows 1/],
  'says no version': ['export const createAdapter = () => ({})', /is made for version undefined/],
  'has no createAdapter': ['export const api = 1', /exports no function createAdapter/],
}
for (const [what, [text, message]] of Object.entries(refused)) {
  t.test(`a package that ${what} is refused by name`, async t => {
    const directory = installed(t, 'weft-adapter-zk', { type: 'module', exports: './a.js' }, { 'a.js': text })
    await t.rejects(load({ directories: [directory] }), {
      code: 'WEFT_CONFIG_INVALID',
      message,
      fields: { registry: 'zk', package: 'weft-adapter-zk' },
    })
  })
}

t.test('a package that exports nothing to import is refused by name', async t => {
  const directory = installed(t, 'weft-adapter-zk', { exports: { './other': './a.js' } }, { 'a.js': good })
  await t.rejects(load({ directories: [directory] }), { message: /exports nothing under its own name/ })
})

t.test('a package that never finishes loading does not hold up the server', async t => {
  const directory = installed(
    t,
    'weft-adapter-zk',
    { type: 'module', exports: './a.js' },
    {
      'a.js': 'await new Promise(() => setInterval(() => {}, 1e6).unref())',
    },
  )
  const clock = new FakeClock()
  const config = { registry: 'zk', package: 'weft-adapter-zk', options: {}, directories: [directory] }
  const loading = t.rejects(loadPlugin(config, clock), { message: /does not load within 30 seconds/ })
  await clock.advance(0)
  await clock.advance(30_000)
  await loading
})

t.test('options that the package refuses, and an adapter that is none, are refused by name', async t => {
  const picky = `export const api = 1
export function createAdapter(deps, options) {
  if (options.address === undefined) throw new Error('address is missing')
  options.address = 'mine now'
  return options.none ? {} : { watch: () => [] }
}`
  const directory = installed(t, 'weft-adapter-zk', { type: 'module', exports: './a.js' }, { 'a.js': picky })
  const without = await load({ directories: [directory] })
  t.throws(() => without(deps), {
    code: 'WEFT_CONFIG_INVALID',
    message: 'package weft-adapter-zk of registry zk refuses its options: address is missing',
  })
  const none = await load({ directories: [directory], options: { address: 'x', none: true } })
  t.throws(() => none(deps), { message: /makes no adapter/ })
  const options = { address: 'x' }
  t.type((await load({ directories: [directory], options }))(deps).watch, 'function')
  t.same(options, { address: 'x' }, 'the configuration is not for the plugin to change')
})
