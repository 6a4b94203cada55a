import { mkdir, mkdtemp, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { parsePattern } from '../../../../registry-adapters/static/pattern.ts'
import { nothingRead, readSources, type SourcesRead } from '../../../../registry-adapters/static/read-sources.ts'

const workload = (name: string) => `workloads: [{ name: ${name}, address: 10.0.0.1 }]\n`
const include = (...paths: readonly string[]) => `include: ${JSON.stringify(paths)}\n`

/** A directory with these files, and a reader of it that goes on from what it read last. */
async function setup(t: Test, files: Readonly<Record<string, string>>, ...patterns: readonly string[]) {
  const at = await mkdtemp(join(tmpdir(), 'weft-sources-'))
  t.teardown(() => rm(at, { recursive: true, force: true }))
  const write = async (file: string, text: string) => {
    await mkdir(dirname(join(at, file)), { recursive: true })
    await writeFile(join(at, file), text)
  }
  for (const [file, text] of Object.entries(files)) await write(file, text)
  let last = nothingRead
  const read = async () => {
    const directory = patterns.length === 0 ? at : undefined
    last = await readSources({ directory, files: patterns.map(text => parsePattern(text, at)) }, last)
    return { ...last, files: [...last.views.keys()].map(path => relative(at, path)), said: names(last) }
  }
  return { at, write, read }
}

function names(read: SourcesRead): string[] {
  return [...read.views.values()].flatMap(view => view.content.workloads.map(one => one.value.name))
}

t.test('files are in the order of the configuration, each read once however often it is found', async t => {
  const files = { 'b/x.yaml': workload('x'), 'a/y.yaml': workload('y'), 'a/z.yaml': workload('z') }
  const { at, read } = await setup(t, files, 'b', 'a/z.yaml', '**/*.yaml')
  await symlink('../b/x.yaml', join(at, 'a/link.yaml'))
  t.same((await read()).files, ['b/x.yaml', 'a/z.yaml', 'a/y.yaml'])
})

t.test('what a file includes comes after it, relative to its own place', async t => {
  const { read } = await setup(t, {
    'main.yaml': `${include('below/*.yaml', 'below/deep/two.yaml')}${workload('main')}`,
    'below/one.yaml': `${include('../beside/three.yaml')}${workload('one')}`,
    'below/deep/two.yaml': workload('two'),
    'beside/three.yaml': workload('three'),
    'other.yaml': workload('other'),
  })
  const { said, problems, directories, at } = { ...(await read()), at: '' }
  t.same(said, ['main', 'one', 'three', 'two', 'other'])
  t.same(problems, [])
  t.same(
    [...directories.keys()].map(path =>
      relative(dirname([...directories.keys()][0] ?? at), path)
        .split('/')
        .slice(1),
    ),
    [[], ['below'], ['beside'], ['below', 'deep']],
    'changes in every directory that plays a part matter',
  )
})

t.test('a circle of includes is named where it closes, and every file of it counts once', async t => {
  const { read } = await setup(t, {
    'a.yaml': `${include('b.yaml')}${workload('a')}`,
    'b.yaml': `${workload('b')}${include('c.yaml')}`,
    'c.yaml': `${include('a.yaml')}${workload('c')}`,
  })
  const { said, problems } = await read()
  t.same(said, ['a', 'b', 'c'])
  t.same(problems, [
    {
      item: 'c.yaml:1:11',
      reason: 'includes a.yaml, which includes this file: a.yaml > b.yaml > c.yaml > a.yaml',
    },
  ])
})

t.test('a file that includes itself by name is named, one whose pattern fits itself is not', async t => {
  const { read } = await setup(t, { 'a.yaml': include('a.yaml'), 'b.yaml': include('*.yaml') })
  t.same(
    (await read()).problems.map(problem => problem.item),
    ['a.yaml:1:11'],
  )
})

t.test('an include that is not there is named by file, line and column, and keeps what it said', async t => {
  const { at, write, read } = await setup(t, { 'a.yaml': `# a comment\n${include('x/more.yaml')}${workload('a')}` })
  const first = await read()
  t.same(first.problems, [{ item: 'a.yaml:2:11', reason: 'includes x/more.yaml, which is not there' }])
  t.same(first.said, ['a'])
  await write('x/more.yaml', workload('more'))
  t.match(await read(), { problems: [], said: ['a', 'more'] })
  await rm(join(at, 'x'), { recursive: true })
  const again = await read()
  t.same(again.said, ['a', 'more'])
  const reason = 'includes x/more.yaml, which is not there; what it said before stays in use'
  t.same(again.problems, [{ item: 'a.yaml:2:11', reason }])
  await write('a.yaml', workload('a'))
  t.match(await read(), { problems: [], said: ['a'] }, 'without the include it is dropped')
})

t.test('a file of an included pattern or directory that goes away takes its content along', async t => {
  const { at, read } = await setup(
    t,
    { 'a.yaml': include('x/*.yaml', 'y'), 'x/one.yaml': workload('one'), 'y/two.yaml': workload('two') },
    'a.yaml',
  )
  t.same((await read()).said, ['one', 'two'])
  await rm(join(at, 'x/one.yaml'))
  await rm(join(at, 'y/two.yaml'))
  t.match(await read(), { said: [], problems: [] })
})

t.test('an included directory that goes away keeps what it said', async t => {
  const { at, read } = await setup(t, { 'a.yaml': include('x/*.yaml'), 'x/one.yaml': workload('one') }, 'a.yaml')
  await read()
  await rename(join(at, 'x'), join(at, 'away'))
  t.match(await read(), { said: ['one'], problems: [{ item: 'a.yaml:1:11', reason: /not there/ }] })
})

t.test('a pattern that is none is named at its place', async t => {
  const { read } = await setup(t, { 'a.yaml': include('{x,y/z}/*.yaml', '/etc/passwd') })
  t.match((await read()).views.values().next().value?.problems, [
    { item: 'a.yaml:1:28', reason: /include\[1\]: must be relative to this file/ },
  ])
  const { read: other } = await setup(t, { 'a.yaml': include('{x,y/z}/*.yaml') })
  t.match((await other()).problems, [{ item: 'a.yaml:1:11', reason: /braces that do not close/ }])
})

t.test('a link that comes to lead elsewhere keeps its last good view', async t => {
  const { at, write, read } = await setup(
    t,
    { 'one/x.yaml': workload('one'), 'two/x.yaml': 'workloads: [}' },
    'link.yaml',
  )
  await symlink('one/x.yaml', join(at, 'link.yaml'))
  t.same((await read()).said, ['one'])
  await symlink('two/x.yaml', join(at, 'next'))
  await rename(join(at, 'next'), join(at, 'link.yaml'))
  const broken = await read()
  t.same(broken.said, ['one'])
  t.ok(
    [...broken.directories.keys()].some(path => path.endsWith('/two')),
    'the directory of what the link leads to matters',
  )
  await write('two/x.yaml', workload('two'))
  t.same((await read()).said, ['two'])
})

t.test('what is configured must be there', async t => {
  const { at, read } = await setup(t, { 'a.yaml': workload('a') }, 'a.yaml', 'conf.d/*.yaml')
  await t.rejects(read(), { message: `cannot read ${join(at, 'conf.d')}`, cause: { code: 'ENOENT' } })
  await mkdir(join(at, 'conf.d'))
  t.same((await read()).said, ['a'])
})
