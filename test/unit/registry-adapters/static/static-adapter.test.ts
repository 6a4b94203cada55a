import { appendFile, mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { RegistrySnapshot } from '../../../../mesh/model/catalogue.ts'
import { systemClock, systemRandom } from '../../../../mesh/std/clock.ts'
import { type Log, silentLog } from '../../../../mesh/std/log.ts'
import type { AdapterHealth } from '../../../../registry-adapters/adapter.ts'
import { createStaticAdapter } from '../../../../registry-adapters/static/static-adapter.ts'
import { testRegistryAdapter } from '../../../compliance/registry-adapter.ts'
import { eventually } from '../../../support/eventually.ts'
import { staticSuite } from '../../../support/static-driver.ts'

t.test('the static adapter keeps the promises of every adapter for a directory', t =>
  testRegistryAdapter(t, staticSuite('directory')),
)

t.test('the static adapter keeps the promises of every adapter for a pattern', t =>
  testRegistryAdapter(t, staticSuite('pattern')),
)

/** A watched directory of the test's own, with all views it gave and all warnings it logged. */
async function watched(t: Test, files?: readonly string[], rereadMs = 200) {
  const parent = await mkdtemp(join(tmpdir(), 'weft-static-'))
  const directory = join(parent, 'registry')
  await mkdir(directory)
  const warnings: unknown[] = []
  const health: AdapterHealth[] = []
  const log: Log = { ...silentLog, warn: (_message, fields) => void warnings.push(fields) }
  const report = (said: AdapterHealth) => void health.push(said)
  const deps = { name: 'files', clock: systemClock, random: systemRandom, log, report }
  const named = files === undefined ? { directory } : { files: files.map(text => join(directory, text)) }
  const controller = new AbortController()
  const views: RegistrySnapshot[] = []
  const follow = async () => {
    const adapter = createStaticAdapter(deps, { ...named, debounceMs: 20, rereadMs, retryMs: 20 })
    for await (const view of adapter.watch(controller.signal)) views.push(view)
  }
  const ended = follow()
  t.teardown(async () => {
    controller.abort()
    await ended
    await rm(parent, { recursive: true, force: true })
  })
  const until = (fits: (view: RegistrySnapshot) => boolean) =>
    eventually(() => {
      const last = views.at(-1)
      if (last === undefined || !fits(last)) throw new Error(`not yet: ${JSON.stringify(last)}`)
      return last
    })
  return { directory, views, warnings, health, until }
}

const names = (view: RegistrySnapshot) =>
  view.workloads
    .values()
    .toArray()
    .map(workload => workload.name)

t.test('a broken file keeps what it said, and is reported by file, line and column until it is mended', async t => {
  const { directory, warnings, until } = await watched(t)
  const file = join(directory, 'a.yaml')
  await writeFile(file, 'workloads: [{ name: one, address: 10.0.0.1 }]\n')
  await writeFile(join(directory, 'b.yaml'), 'workloads: [{ name: two, address: 10.0.0.2 }]\n')
  await until(view => names(view).length === 2)
  await writeFile(file, 'workloads:\n  - name: one\n    addres: 10.0.0.9\n')
  const broken = await until(view => view.problems.length > 0)
  t.same(names(broken), ['one', 'two'])
  t.match(broken.workloads.values().next().value, { address: '10.0.0.1' })
  t.same(broken.problems.map(problem => problem.item).sort(), ['a.yaml:2:5', 'a.yaml:3:5'])
  t.equal(warnings.length, 2)
  await writeFile(join(directory, 'b.yaml'), 'workloads: [{ name: three, address: 10.0.0.3 }]\n')
  await until(view => names(view).includes('three'))
  t.equal(warnings.length, 2, 'a problem is logged once')
  await writeFile(file, 'workloads:\n  - name: one\n    address: 10.0.0.9\n')
  t.match((await until(view => view.problems.length === 0)).workloads.values().next().value, { address: '10.0.0.9' })
})

t.test('a file that goes away takes its content along', async t => {
  const { directory, until } = await watched(t)
  await writeFile(join(directory, 'a.yaml'), 'workloads: [{ name: one, address: 10.0.0.1 }]\n')
  await until(view => names(view).includes('one'))
  await rm(join(directory, 'a.yaml'))
  await until(view => names(view).length === 0)
})

t.test('a file written in pieces is never seen as if it had lost its content', async t => {
  const { directory, views, until } = await watched(t)
  const file = join(directory, 'a.yaml')
  const full = 'workloads:\n  - name: one\n    address: 10.0.0.1\n'
  await writeFile(file, full)
  await until(view => names(view).includes('one'))
  const before = views.length
  for (let round = 0; round < 20; round += 1) {
    await writeFile(file, '')
    await appendFile(file, full.slice(0, 25))
    await appendFile(file, full.slice(25))
  }
  await writeFile(join(directory, 'b.yaml'), 'workloads: [{ name: two, address: 10.0.0.2 }]\n')
  await until(view => names(view).includes('two') && view.problems.length === 0)
  for (const view of views.slice(before)) t.ok(names(view).includes('one'))
})

t.test('a directory replaced by another one is followed on', async t => {
  const { directory, until } = await watched(t)
  await writeFile(join(directory, 'a.yaml'), 'workloads: [{ name: one, address: 10.0.0.1 }]\n')
  await until(view => names(view).includes('one'))
  await rename(directory, `${directory}.old`)
  await mkdir(directory)
  await until(view => names(view).length === 0)
  await writeFile(join(directory, 'a.yaml'), 'workloads: [{ name: two, address: 10.0.0.2 }]\n')
  await until(view => names(view).includes('two'))
})

t.test('changes in every directory that plays a part are followed by notice, not by reading at intervals', async t => {
  const { directory, until } = await watched(t, ['main.yaml', 'conf.d/**/*.yaml'], 600_000)
  await mkdir(join(directory, 'conf.d'))
  await mkdir(join(directory, 'aside'))
  await writeFile(join(directory, 'main.yaml'), 'include: [aside/*.yaml]\n')
  await until(view => names(view).length === 0)
  await writeFile(join(directory, 'aside', 'a.yaml'), 'workloads: [{ name: included, address: 10.0.0.1 }]\n')
  await until(view => names(view).includes('included'))
  await mkdir(join(directory, 'conf.d', 'new'))
  await writeFile(join(directory, 'conf.d', 'new', 'b.yaml'), 'workloads: [{ name: found, address: 10.0.0.2 }]\n')
  await until(view => names(view).includes('found'))
  await writeFile(join(directory, 'conf.d', 'new', 'b.yaml'), 'workloads: [{ name: other, address: 10.0.0.2 }]\n')
  await until(view => names(view).includes('other') && !names(view).includes('found'))
})

t.test('a link whose file changes elsewhere is followed by notice', async t => {
  const { directory, until } = await watched(t, undefined, 600_000)
  const elsewhere = `${directory}.elsewhere`
  await mkdir(elsewhere)
  await writeFile(join(elsewhere, 'real.yaml'), 'workloads: [{ name: one, address: 10.0.0.1 }]\n')
  await symlink(join(elsewhere, 'real.yaml'), join(directory, 'a.yaml'))
  await until(view => names(view).includes('one'))
  await writeFile(join(elsewhere, 'real.yaml'), 'workloads: [{ name: two, address: 10.0.0.1 }]\n')
  await until(view => names(view).includes('two'))
})

t.test('a configured file that goes away makes the registry failing, and what was said stays', async t => {
  const { directory, views, health, until } = await watched(t, ['a.yaml', 'b.yaml'])
  await eventually(() => {
    if (health.at(-1)?.kind !== 'failing') throw new Error('not failing')
  })
  t.equal(views.length, 0, 'half of what is configured is no view')
  t.match(health, [{ kind: 'failing', reason: /cannot read .*a\.yaml: ENOENT/ }])
  for (const name of ['a', 'b']) {
    await writeFile(join(directory, `${name}.yaml`), `workloads: [{ name: ${name}, address: 10.0.0.1 }]\n`)
  }
  await until(view => names(view).length === 2)
  await rm(join(directory, 'b.yaml'))
  await eventually(() => {
    if (health.at(-1)?.kind !== 'failing') throw new Error('not failing')
  })
  t.same(names(await until(() => true)), ['a', 'b'])
})

t.test('options that name nothing, or no path, are refused', async t => {
  const deps = { name: 'files', clock: systemClock, random: systemRandom, log: silentLog, report: () => undefined }
  t.throws(() => createStaticAdapter(deps, {}), { code: 'WEFT_CONFIG_INVALID', message: /no directory and no files/ })
  t.throws(() => createStaticAdapter(deps, { files: ['{a,b/c}/*'] }), {
    code: 'WEFT_CONFIG_INVALID',
    message: /braces/,
  })
})
