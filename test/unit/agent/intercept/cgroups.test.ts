import { mkdirSync, rmdirSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { createCgroupTree, findCgroupTree, ownCgroupPath } from '../../../../agent/intercept/cgroups.ts'

t.test('the hierarchy is found wherever it is mounted', async t => {
  const hybrid = 'cgroup /sys/fs/cgroup/cpu cgroup rw 0 0\ncgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n'
  t.equal(findCgroupTree(hybrid)?.root, '/sys/fs/cgroup/unified')
  t.equal(findCgroupTree('cgroup2 /odd\\040place cgroup2 rw 0 0\n')?.root, '/odd place')
  t.equal(findCgroupTree('proc /proc proc rw 0 0\n'), undefined)
})

t.test('the own path is read from either kind of hierarchy', async t => {
  t.equal(ownCgroupPath('0::/system.slice/weft.service\n'), 'system.slice/weft.service')
  t.equal(ownCgroupPath('9:name=systemd:/x\n0::/\n'), '')
  t.equal(ownCgroupPath('0::/../outside\n'), undefined)
  t.equal(ownCgroupPath('1:cpu:/\n'), undefined)
})

t.test('a cgroup of the same path made again is another one', async t => {
  const tree = findCgroupTree()
  if (tree === undefined) throw new Error('this machine has no cgroup v2 hierarchy')
  const path = `weft-unit-${process.pid}`
  const make = () => {
    mkdirSync(join(tree.root, path))
    const id = tree.id(path)
    rmdirSync(join(tree.root, path))
    return id
  }
  const [first, second] = [make(), make()]
  t.ok(first !== undefined && second !== undefined && first !== second)
  t.equal(tree.id(path), undefined)
})

t.test('the users of a cgroup are those of its processes', async t => {
  const tree = createCgroupTree(t.testdir({ a: { 'cgroup.procs': `${process.pid}\n`, b: { 'cgroup.procs': '' } } }))
  t.same([...tree.uids('a')], [process.getuid?.()])
  t.same([...tree.uids('a/b')], [])
  t.same([...tree.uids('none')], [])
})
