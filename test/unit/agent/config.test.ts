import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { type AgentSettings, loadAgentSettings, type SettingsSources } from '../../../agent/config.ts'
import { agentSettings } from '../../../agent/config-schema.ts'
import { MeshError } from '../../../mesh/std/errors.ts'
import { settingsOf } from '../../../mesh/std/settings.ts'

const folder = mkdtempSync(join(tmpdir(), 'weft-config-'))
t.teardown(() => rmSync(folder, { recursive: true }))

function load(text: string | undefined, more: Partial<SettingsSources> = {}): AgentSettings {
  const file = join(folder, 'agent.yaml')
  if (text !== undefined) writeFileSync(file, text)
  return loadAgentSettings({ file: text === undefined ? undefined : file, env: {}, flags: {}, ...more })
}

function refusal(text: string | undefined, more: Partial<SettingsSources> = {}): string {
  try {
    load(text, more)
  } catch (error) {
    if (error instanceof MeshError && error.code === 'WEFT_CONFIG_INVALID') return error.message
    throw error
  }
  return 'not refused'
}

t.test('fills in every default when nothing is said', async t => {
  const settings = load(undefined)
  t.equal(settings.ports.hbone, 15008)
  t.equal(settings.server.transport, 'websocket')
  t.equal(settings.drainDeadlineMs, 15_000)
  t.ok(settings.threads >= 1)
  t.not(settings.node, '')
})

t.test('lets the environment win over the file and a flag over both', async t => {
  const file = 'node: from-file\nthreads: 2\nlogLevel: warn\ncapture:\n  excludePorts: [25]\n'
  const env = { WEFT_AGENT_NODE: 'from-env', WEFT_AGENT_THREADS: '3', WEFT_AGENT_CAPTURE_EXCLUDE_PORTS: '25, 53' }
  const settings = load(file, { env, flags: { node: 'from-flag' } })
  t.match(settings, { node: 'from-flag', threads: 3, logLevel: 'warn', capture: { excludePorts: [25, 53] } })
})

t.test('reads JSON too', async t => {
  t.equal(load('{"server": {"host": "mesh.example"}}').server.host, 'mesh.example')
})

t.test('refuses with the place and what was probably meant', async t => {
  const rows: [string, RegExp][] = [
    ['node: a\nserver:\n  hots: b\n', /agent\.yaml:3:3: unknown key server\.hots, did you mean host\?/],
    ['zzzzzz: 1\n', /agent\.yaml:1:1: unknown key zzzzzz$/],
    ['threads: "2"\n', /agent\.yaml:1:1: threads must be a number/],
    ['server: nine\n', /agent\.yaml:1:1: must be a mapping/],
    ['capture:\n  excludePorts: [http]\n', /agent\.yaml:2:3: capture\.excludePorts must be a list of numbers/],
    ['node: [\n', /agent\.yaml:\d+:\d+: /],
    ['- a\n', /must be a mapping/],
    ['__proto__:\n  node: x\n', /unknown key __proto__/],
    ['constructor: 1\n', /unknown key constructor/],
  ]
  for (const [text, message] of rows) t.match(refusal(text), message, text)
})

t.test('refuses values out of range, naming the key', async t => {
  t.match(refusal('ports:\n  hbone: 70000\n'), /ports\.hbone/)
  t.match(refusal('server:\n  transport: carrier-pigeon\n'), /server\.transport/)
  t.match(refusal('capture:\n  excludePorts: [0]\n'), /capture\.excludePorts/)
  t.match(refusal('threads: -1\n'), /threads/)
  for (const prefix of ['1st', 'a-b', 'a__b', 'mesh_', 'Mesh', '""']) {
    t.match(refusal(`metricsPrefix: ${prefix}\n`), /metricsPrefix: must be lower-case letters/, prefix)
  }
  t.match(refusal('accessLogEncoding: yaml\n'), /accessLogEncoding/)
  for (const directories of ['/', 'run/shop', '/run/../etc', '7']) {
    t.match(refusal(`inbound:\n  unixSockets: [${directories}]\n`), /inbound\.unixSockets/, directories)
  }
  t.match(refusal('ports:\n  hbone: 15006\n'), /ports\.hbone and ports\.inbound are both 15006/)
})

t.test('refuses text that is not wholly of the setting’s type', async t => {
  t.match(refusal(undefined, { env: { WEFT_AGENT_THREADS: '2x' } }), /WEFT_AGENT_THREADS must be a number/)
  t.match(refusal(undefined, { env: { WEFT_AGENT_CAPTURE_ENABLED: 'yes' } }), /must be true or false/)
  t.match(refusal(undefined, { env: { WEFT_AGENT_NOED: 'a' } }), /unknown environment variable WEFT_AGENT_NOED/)
  t.match(refusal(undefined, { flags: { nood: 'a' } }), /unknown flag --nood/)
  t.match(refusal(undefined, { flags: { threads: '' } }), /--threads must be a number/)
})

t.test('names a file that cannot be read', async t => {
  t.throws(() => loadAgentSettings({ file: '/nonexistent/agent.yaml', env: {}, flags: {} }), {
    code: 'WEFT_CONFIG_INVALID',
    fields: { file: '/nonexistent/agent.yaml' },
  })
})

t.test('documents every setting and names its variable after its path', async t => {
  for (const [path, setting] of settingsOf(agentSettings)) {
    t.match(setting.doc, /^.{10,}\.$/, path.join('.'))
    const words = path.map(part => part.replace(/[A-Z]/g, letter => `_${letter}`).toUpperCase())
    t.equal(setting.env, `WEFT_AGENT_${words.join('_')}`)
  }
})
