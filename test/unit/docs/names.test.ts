import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { agentSettings } from '../../../agent/config-schema.ts'
import { reasons } from '../../../agent/dataplane/reasons.ts'
import { agentMetrics } from '../../../agent/telemetry/definitions.ts'
import { errorCatalogue } from '../../../mesh/std/error-catalogue.ts'
import { settingsOf } from '../../../mesh/std/settings.ts'
import { programForReading } from '../../../scripts/docs/command-blocks.ts'
import { serverSettings } from '../../../server/config-schema.ts'
import { serverMetrics } from '../../../server/telemetry/metrics.ts'
import { codeOf, documentation } from '../../support/markdown.ts'

const pages = documentation()
const settings = [...settingsOf(serverSettings), ...settingsOf(agentSettings)]

t.test('codes and variables that the documentation names exist', async t => {
  const known = new Set([
    ...Object.keys(errorCatalogue),
    ...settings.map(([, setting]) => setting.env),
    'WEFT_SERVER',
    'WEFT_TOKEN',
    // chains of iptables
    'WEFT_OUTPUT',
    'WEFT_CALLER',
    'WEFT_INBOUND',
    'WEFT_LEAK',
  ])
  for (const [path, page] of pages) {
    for (const [name] of page.matchAll(/\bWEFT_[A-Z0-9_]*[A-Z0-9]\b(?!_?\*)/g))
      t.ok(known.has(name), `${path}: ${name}`)
  }
})

t.test('metrics that the documentation names exist', async t => {
  const ours = ['source', 'destination', 'direction', 'reason', 'rule', 'detail', 'audit', 'dry_run']
  const keysOfTheAccessLog = ours.map(key => `weft_${key}`)
  const known = new Set([...Object.keys(agentMetrics), ...Object.keys(serverMetrics), ...keysOfTheAccessLog])
  for (const [path, page] of pages) {
    for (const [name] of page.matchAll(/\b(?:weft|istio)_[a-z_]*[a-z]\b(?!_?\*)/g))
      t.ok(known.has(name), `${path}: ${name}`)
  }
})

t.test('settings that the documentation names exist', async t => {
  const keys = settings.map(([path]) => path.join('.'))
  const groups = new Set(settings.flatMap(([path]) => (path.length > 1 ? [path[0]] : [])))
  for (const [path, page] of pages) {
    for (const code of codeOf(page)) {
      const [group = '', rest] = code.split('.', 2)
      if (!groups.has(group) || rest === undefined || !/^[\w.]+$/.test(code)) continue
      t.ok(
        keys.some(key => key === code || key.startsWith(`${code}.`)),
        `${path}: ${code}`,
      )
    }
  }
})

t.test('reasons that the documentation names exist', async t => {
  const known = new Set(Object.keys(reasons))
  for (const [path, page] of pages) {
    for (const [, name = ''] of page.matchAll(/reason[^.\n]{0,20}`([A-Z]+(?:_[A-Z]+)*)`/g)) {
      t.ok(known.has(name), `${path}: ${name}`)
    }
  }
})

t.test('commands that documentation, errors and settings name can be called like that', async t => {
  const sources: [string, string][] = [
    ...[...pages].flatMap(([path, page]) => codeOf(page).map((code): [string, string] => [path, code])),
    ...Object.entries(errorCatalogue).flatMap(([code, { when, next }]): [string, string][] => [
      [code, when],
      [code, next],
    ]),
    ...settings.map(([path, { doc }]): [string, string] => [path.join('.'), doc]),
  ]
  let seen = 0
  for (const [source, text] of sources) {
    for (const call of callsIn(text)) {
      seen += 1
      t.equal(wrongIn(call), undefined, `${source}: ${call}`)
    }
  }
  t.ok(seen > 30, `${seen} commands were found`)
})

t.test('a command that does not exist is found out', async t => {
  t.equal(wrongIn('weft agnet run'), 'agnet')
  t.equal(wrongIn('weft agent run --sever x'), '--sever')
  t.equal(wrongIn('weft token'), undefined)
  t.equal(wrongIn("weft token create --node 'x -s y'"), undefined)
  t.same(callsIn('a; weft token create --node <name> > f & weft status | cat'), [
    'weft token create --node name',
    'weft status',
  ])
})

t.test('scripts that the documentation names exist', async t => {
  const { scripts } = JSON.parse(readFileSync('package.json', 'utf8')) as { scripts: Record<string, string> }
  for (const [path, page] of pages) {
    for (const [, name = ''] of page.matchAll(/\bnpm run ([a-z:-]+)/g))
      t.ok(name in scripts, `${path}: npm run ${name}`)
  }
})

t.test('links between pages lead somewhere', async t => {
  for (const [path, page] of pages) {
    for (const [, target = ''] of page.matchAll(/\]\(([^)\s]+)\)/g)) {
      if (/^[a-z]+:/.test(target)) continue
      const [file = '', anchor] = target.split('#')
      const to = file === '' ? path : join(dirname(path), file)
      t.ok(existsSync(to), `${path}: ${target}`)
      if (anchor !== undefined) t.ok(anchorsOf(readFileSync(to, 'utf8')).has(anchor), `${path}: ${target}`)
    }
  }
})

/** Every call of `weft` in a text, without what the shell does with it. */
function callsIn(text: string): string[] {
  const plain = text.replaceAll(/<([^<>]*)>/g, '$1')
  return [...plain.matchAll(/(?<![\w./-])weft [^|&;>#)]+/g)]
    .map(([call]) => call.trim())
    .filter(call => /^weft [a-z-]/.test(call))
}

/** The word of a call that the program does not take; what comes after the verb and is no option is not judged. */
function wrongIn(call: string): string | undefined {
  let command = programForReading()
  for (const word of call
    .replaceAll(/'[^']*'/g, 'quoted')
    .split(/\s+/)
    .slice(1)) {
    const name = word.replace(/[.,:]$/, '')
    if (name.startsWith('-')) {
      const [flag] = name.split('=')
      if (name === '-' || flag === '--help') continue
      if (!command.options.some(option => option.long === flag || option.short === flag)) return name
    } else if (command.commands.length > 0) {
      const verb = command.commands.find(child => child.name() === name)
      if (verb === undefined) return name
      command = verb
    }
  }
  return undefined
}

/** What a heading is called in links. */
function anchorsOf(page: string): Set<string> {
  const headings = [...page.matchAll(/^#+ (.*)$/gm)].map(match => match[1] ?? '')
  return new Set(
    headings.map(heading =>
      heading
        .toLowerCase()
        .replaceAll(/[^\w\- ]/g, '')
        .replaceAll(' ', '-'),
    ),
  )
}
