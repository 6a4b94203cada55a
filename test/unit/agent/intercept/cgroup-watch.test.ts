import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { watchCgroups } from '../../../../agent/intercept/cgroup-watch.ts'
import { createCgroupTree } from '../../../../agent/intercept/cgroups.ts'
import { eventually } from '../../../support/eventually.ts'

// Directories stand in for cgroups: both are watched the same way. Real cgroups: test/netns/capture-callers.test.ts.

function start(t: Test, paths: readonly string[]) {
  const root = t.testdir({})
  const tree = createCgroupTree(root)
  let changes = 0
  const watch = watchCgroups(tree, () => {
    changes += 1
  })
  t.teardown(() => watch.stop())
  watch.paths(paths)
  const told = async (step: () => void) => {
    const before = changes
    step()
    await eventually(() => {
      if (changes === before) throw new Error('no change was told')
    })
  }
  return { tree, told, watch, changes: () => changes, at: (path: string) => join(root, path) }
}

t.test('a cgroup that appears below parents that do not exist yet is told', async t => {
  const { told, at, tree } = start(t, ['a/b/c'])
  await told(() => mkdirSync(at('a')))
  await told(() => mkdirSync(at('a/b/c'), { recursive: true }))
  t.not(tree.id('a/b/c'), undefined)
})

t.test('a cgroup that goes and comes back is told each time and is another one', async t => {
  const { told, at, tree } = start(t, ['a/b'])
  await told(() => mkdirSync(at('a')))
  await told(() => mkdirSync(at('a/b')))
  await told(() => rmdirSync(at('a/b')))
  t.equal(tree.id('a/b'), undefined)
  await told(() => rmdirSync(at('a')))
  await told(() => mkdirSync(at('a')))
  await told(() => mkdirSync(at('a/b')))
})

t.test('nothing is told after the stop', async t => {
  const { told, at, watch, changes } = start(t, ['a'])
  await told(() => mkdirSync(at('b')))
  watch.stop()
  const before = changes()
  mkdirSync(at('a'))
  await new Promise(resolve => setImmediate(resolve))
  t.equal(changes(), before)
})
