import t from 'tap'
import { viewFile } from '../../../../registry-adapters/static/file-views.ts'

const text = (content: string) => ({ kind: 'text', text: content }) as const
const good = 'workloads: [{ name: a, address: 10.0.0.1 }]\n'
const names = (view: ReturnType<typeof viewFile>) => view.content.workloads.map(workload => workload.value.name)

t.test('a broken file keeps its last good view, and says where it is broken', async t => {
  const before = viewFile('f.yaml', text(good), undefined)
  const broken = viewFile('f.yaml', text(`${good}---\nworkloads: [{ nme: b }]\n`), before)
  t.same(names(broken), ['a'])
  t.match(broken.problems[0], { item: /^f.yaml:3:/, reason: 'workloads[0].name: is required' })
  const healed = viewFile('f.yaml', text('workloads: [{ name: b, address: 10.0.0.1 }]'), broken)
  t.same(names(healed), ['b'])
  t.same(healed.problems, [])
})

t.test('a half-good edit is not used by half', async t => {
  const before = viewFile('f.yaml', text(good), undefined)
  const half = viewFile('f.yaml', text('workloads: [{ name: b, address: 10.0.0.1 }]\n---\n{ x: 1 }\n'), before)
  t.same(names(half), ['a'])
})

t.test('a file that was never good gives what is good of it', async t => {
  const view = viewFile('f.yaml', text(`${good}---\n{ x: 1 }\n`), undefined)
  t.same(names(view), ['a'])
  t.equal(view.problems.length, 1)
})

t.test('a file that is empty for a moment loses nothing, one without documents says that there is nothing', async t => {
  const before = viewFile('f.yaml', text(good), undefined)
  const emptied = viewFile('f.yaml', text(' \n'), before)
  t.same(names(emptied), ['a'])
  t.match(emptied.problems, [{ item: 'f.yaml:1:1', reason: /is empty/ }])
  t.same(names(viewFile('f.yaml', text('# nothing here any more\n'), before)), [])
})

t.test('a file that cannot be read, or is being written, keeps its last good view', async t => {
  const before = viewFile('f.yaml', text(good), undefined)
  const failed = viewFile('f.yaml', { kind: 'failed', reason: 'cannot be read: EACCES' }, before)
  t.same(names(failed), ['a'])
  t.match(failed.problems, [{ item: 'f.yaml', reason: /EACCES/ }])
  t.equal(viewFile('f.yaml', { kind: 'changing' }, before), before)
  t.same(names(viewFile('f.yaml', { kind: 'changing' }, undefined)), [])
})

t.test('what has not changed is not read again', async t => {
  const before = viewFile('f.yaml', text(good), undefined)
  t.equal(viewFile('f.yaml', text(good), before), before)
})
