import { Command } from 'commander'
import t from 'tap'
import { agentSettings } from '../../../agent/config-schema.ts'
import { addSettingOptions, givenSettings } from '../../../cli/setting-options.ts'
import { type SettingsTree, settingsOf } from '../../../mesh/std/settings.ts'
import { serverSettings } from '../../../server/config-schema.ts'

const settings = {
  name: { doc: 'a name', default: '', format: String, env: 'X_NAME', arg: 'name' },
  deep: {
    stateDir: { doc: 'a directory', default: '/x', format: String, env: 'X_STATE_DIR', arg: 'state-dir' },
    silent: { doc: 'no flag', default: 1, format: 'nat', env: 'X_SILENT' },
  },
} as const satisfies SettingsTree

function given(tree: SettingsTree, ...args: readonly string[]) {
  const command = addSettingOptions(new Command('weft').exitOverride().configureOutput({ writeErr() {} }), tree)
  command.parse([...args], { from: 'user' })
  return givenSettings(command, tree)
}

t.test('what is given is found by flag name, also of settings deep in the tree', async t => {
  t.same(given(settings, '--state-dir', '/var', '--name', 'a', '-c', 'weft.yaml'), {
    file: 'weft.yaml',
    flags: { name: 'a', 'state-dir': '/var' },
  })
})

t.test('what is not given is not there: file and environment decide', async t => {
  t.same(given(settings), { file: undefined, flags: {} })
})

t.test('an empty value is a value', async t => {
  t.same(given(settings, '--name', '').flags, { name: '' })
  t.same(given(settings, '--name=').flags, { name: '' })
})

t.test('settings without a flag, unknown flags and missing values are refused', async t => {
  for (const args of [['--silent', '2'], ['--nmae', 'x'], ['--name'], ['--deep.silent', '2']]) {
    t.throws(() => given(settings, ...args), { name: 'CommanderError' }, args.join(' '))
  }
})

for (const [name, tree] of Object.entries({ server: serverSettings, agent: agentSettings })) {
  t.test(`every flag of the ${name} arrives`, async t => {
    const flags = settingsOf(tree).flatMap(([, setting]) => setting.arg ?? [])
    t.ok(flags.length > 5)
    t.equal(new Set(flags).size, flags.length, 'each once')
    const { flags: arrived } = given(tree, ...flags.flatMap(flag => [`--${flag}`, `of ${flag}`]))
    t.same(arrived, Object.fromEntries(flags.map(flag => [flag, `of ${flag}`])))
  })
}
