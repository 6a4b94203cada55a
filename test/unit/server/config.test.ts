import { join } from 'node:path'
import t from 'tap'
import { settingsOf } from '../../../mesh/std/settings.ts'
import { loadServerConfig, type ServerConfigSources } from '../../../server/config.ts'
import { serverSettings } from '../../../server/config-schema.ts'
import { registryKinds } from '../../../server/registry-schema.ts'

interface TestDir {
  testdir(files: Record<string, string>): string
}

function load(sources: Partial<ServerConfigSources> = {}) {
  return loadServerConfig({ env: {}, flags: {}, ...sources })
}

function loadFile(t: TestDir, text: string, name = 'weft.yaml') {
  return load({ file: join(t.testdir({ [name]: text }), name) })
}

t.test('without any source everything has its default', async t => {
  const config = load()
  t.match(config, {
    trustDomain: 'mesh.local',
    dataDir: '/var/lib/weft/server',
    listen: { websocketPort: 15011, grpcPort: 15012, metricsPort: 15014, apiPort: 15443 },
    virtualIps: { ipv4: '240.240.0.0/16' },
    dnsDomain: 'mesh',
    rootNamespace: 'weft-system',
    registries: [],
    merge: { rule: 'error', services: [] },
  })
  t.not(config.name, '')
})

t.test('flags go before the environment, the environment before the file', async t => {
  const file = join(
    t.testdir({ 'weft.json': '{"name":"file","trustDomain":"file.test","dnsDomain":"file"}' }),
    'weft.json',
  )
  const env = { WEFT_SERVER_NAME: 'env', WEFT_SERVER_TRUST_DOMAIN: 'env.test', PATH: '/bin' }
  const config = load({ file, env, flags: { name: 'flag' } })
  t.match(config, { name: 'flag', trustDomain: 'env.test', dnsDomain: 'file' })
})

t.test('registries come with the defaults of their kind', async t => {
  const config = loadFile(
    t,
    `
registries:
  - { name: files, kind: static, directory: /etc/weft/services }
  - { name: dc1, kind: consul, address: "http://127.0.0.1:8500", stale: true }
merge: { rule: union, services: ["default/api=prefer:dc1"] }
`,
  )
  t.match(config.registries, [
    { name: 'files', kind: 'static', directory: '/etc/weft/services', files: [] },
    { name: 'dc1', kind: 'consul', address: 'http://127.0.0.1:8500', stale: true, trustCallers: false, tokenFile: '' },
  ])
  t.same(config.merge, { rule: 'union', services: ['default/api=prefer:dc1'] })
})

t.test('a plugin knows the directory of its configuration, and every registry has a mapping', async t => {
  const { registries } = loadFile(
    t,
    `
registries:
  - { name: zk, kind: plugin, package: '@acme/weft-adapter-zk', options: { hosts: [a, b] } }
  - { name: files, kind: static, files: [/x], mapping: { namespace: '{registry}' } }
`,
  )
  t.same(registries, [
    {
      name: 'zk',
      kind: 'plugin',
      package: '@acme/weft-adapter-zk',
      options: { hosts: ['a', 'b'] },
      pluginDir: '',
      trustCallers: false,
      configDir: t.testdirName,
      mapping: { name: '{name}', namespace: '{namespace}', hosts: [] },
    },
    {
      name: 'files',
      kind: 'static',
      directory: '',
      files: ['/x'],
      mapping: { name: '{name}', namespace: '{registry}', hosts: [] },
    },
  ])
})

t.test('what is wrong in the file is named with file, line and column', async t => {
  const cases: readonly (readonly [text: string, message: RegExp])[] = [
    ['trustDomian: x', /weft.yaml:1:1: unknown key trustDomian, did you mean trustDomain\?/],
    ['listen:\n  apiport: 1', /weft.yaml:2:3: unknown key listen.apiport, did you mean apiPort\?/],
    ['listen: 15443', /weft.yaml:1:1: must be a mapping/],
    ['leafTtlSeconds: "1h"', /weft.yaml:1:1: leafTtlSeconds must be a number/],
    ['name: [', /weft.yaml:1:/],
    ['registries: x', /weft.yaml:1:1: registries must be a list/],
    ['registries:\n  - static', /weft.yaml:2:5: a registry must be a mapping/],
    ['registries:\n  - { kind: static, directory: /x }', /weft.yaml:2:5: a registry needs a name/],
    ['registries:\n  - { name: a, kind: statik, directory: /x }', /weft.yaml:2:16: .*did you mean static\?/],
    ['registries:\n  - { name: a, kind: static }', /weft.yaml:2:5: a registry of kind static needs directory or files/],
    [
      'registries:\n  - { name: a, kind: static, diretory: /x }',
      /unknown key registries.0.diretory, did you mean directory\?/,
    ],
    ['registries:\n  - { name: resources, kind: static, directory: /x }', /the name resources is reserved/],
    ['registries:\n  - { name: A/b, kind: static, directory: /x }', /a registry needs a name/],
    [
      'registries:\n  - { name: a, kind: static, directory: /x }\n  - { name: a, kind: static, directory: /y }',
      /weft.yaml:3:7: two registries are called a/,
    ],
  ]
  const registry = (more: string) => `registries:\n  - { name: a, kind: static, directory: /x, ${more} }`
  const more: typeof cases = [
    [
      registry('mapping: { name: "{nam}" }'),
      /weft.yaml:2:56: mapping.name: "\{nam\}" has \{nam\}, it may have \{name\}/,
    ],
    [
      registry('mapping: { namespace: "{name}" }'),
      /mapping.namespace: "\{name\}" has \{name\}, it may have \{namespace\}/,
    ],
    [registry('mapping: { hosts: ["a.test", "{"] }'), /mapping.hosts: "\{" has a brace without the other one/],
    [registry('mapping: { hosts: a.test }'), /mapping.hosts must be a list of strings/],
    [registry('mapping: { nam: x }'), /unknown key registries.0.mapping.nam, did you mean name\?/],
    [registry('files: /y'), /registries.0.files must be a list of strings/],
    ['registries:\n  - { name: a, kind: plugin }', /a registry of kind plugin needs package/],
    ['registries:\n  - { name: a, kind: plugin, package: x, options: 7 }', /options must be a mapping/],
    ['registries:\n  - { name: a, kind: plugin, package: x, options: null }', /options must be a mapping/],
  ]
  for (const [text, message] of [...cases, ...more])
    t.throws(() => loadFile(t, text), { code: 'WEFT_CONFIG_INVALID', message }, text)
})

t.test('every problem of a file is told at once', async t => {
  t.throws(() => loadFile(t, 'nam: x\ndataDirr: y'), { message: /nam.*; .*dataDirr/ })
})

t.test('values out of range are refused by name', async t => {
  const cases: readonly (readonly [key: string, value: string, message: RegExp])[] = [
    ['LEAF_TTL_SECONDS', '59', /leafTtlSeconds: must be a whole number from 60/],
    ['LISTEN_API_PORT', '65536', /listen.apiPort/],
    ['LISTEN_API_PORT', '15011', /two listeners share port 15011/],
    ['LISTEN_API_PORT', 'https', /WEFT_SERVER_LISTEN_API_PORT must be a number/],
    ['VIRTUAL_IPS_IPV4', '240.240.0.0', /virtualIps.ipv4: must be an IPv4 range/],
    ['VIRTUAL_IPS_IPV4', '240.240.0.0/25', /virtualIps.ipv4/],
    ['VIRTUAL_IPS_IPV4', 'fd00::/64', /virtualIps.ipv4/],
    ['VIRTUAL_IPS_IPV6', '10.0.0.0/8', /virtualIps.ipv6/],
    ['TRUST_DOMAIN', 'Mesh', /trustDomain/],
    ['DNS_DOMAIN', 'a..b', /dnsDomain/],
    ['DEFAULT_IDENTITY', 'api', /defaultIdentity/],
    ['DEFAULT_IDENTITY', 'Default/api', /defaultIdentity/],
    ['LOG_LEVEL', 'loud', /logLevel/],
    ['MERGE_RULE', 'prefer:nobody', /merge.rule: prefer:nobody names no registry/],
    ['MASS_REMOVAL_PERCENT', '0', /massRemoval.percent/],
    ['REGISTRIES', 'files', /WEFT_SERVER_REGISTRIES must be a JSON list/],
    ['REGISTRIES', '[{"name":"a","kind":"zookeeper"}]', /WEFT_SERVER_REGISTRIES: the kind of a registry/],
  ]
  for (const [key, value, message] of cases) {
    t.throws(() => load({ env: { [`WEFT_SERVER_${key}`]: value } }), { code: 'WEFT_CONFIG_INVALID', message }, key)
  }
})

t.test('unknown variables and flags are refused, with the one that was meant', async t => {
  t.throws(() => load({ env: { WEFT_SERVER_TRUST_DOMIAN: 'x' } }), {
    message: /did you mean WEFT_SERVER_TRUST_DOMAIN\?/,
  })
  t.throws(() => load({ flags: { nam: 'x' } }), { message: 'unknown flag --nam' })
})

t.test('a file that is not there is refused by name', async t => {
  t.throws(() => load({ file: '/nonexistent/weft.yaml' }), {
    code: 'WEFT_CONFIG_INVALID',
    message: 'the configuration file /nonexistent/weft.yaml cannot be read',
  })
})

t.test('every setting is documented and can be set by a variable of its path', async t => {
  for (const [path, setting] of settingsOf(serverSettings)) {
    const name = path.join('_').replace(/[A-Z]/g, letter => `_${letter}`)
    t.equal(setting.env, `WEFT_SERVER_${name.toUpperCase()}`, path.join('.'))
    t.match(setting.doc, /^[A-Z"].*\.$/s, `${path.join('.')} is documented`)
  }
  for (const [kind, { options }] of Object.entries(registryKinds)) {
    for (const [path, setting] of settingsOf(options)) t.match(setting.doc, /^[A-Z].*\.$/, `${kind} ${path.join('.')}`)
  }
})
