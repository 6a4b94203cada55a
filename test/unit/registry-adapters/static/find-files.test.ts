import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { findFiles, findInDirectory } from '../../../../registry-adapters/static/find-files.ts'
import { parsePattern } from '../../../../registry-adapters/static/pattern.ts'
import { createTree } from '../../../../registry-adapters/static/tree.ts'

/** A directory with these files in it. */
async function directoryOf(t: Test, ...files: readonly string[]): Promise<string> {
  const at = await mkdtemp(join(tmpdir(), 'weft-find-'))
  t.teardown(() => rm(at, { recursive: true, force: true }))
  for (const file of files) {
    await mkdir(dirname(join(at, file)), { recursive: true })
    await writeFile(join(at, file), '')
  }
  return at
}

async function find(at: string, text: string): Promise<string[]> {
  return (await findFiles(createTree(), parsePattern(text, at))).map(path => relative(at, path))
}

t.test('a directory means its registry files in order, and not what editors leave around', async t => {
  const litter = ['.a.yaml.swp', '.a.yaml', 'a.yaml~', '#a.yaml', 'README.md', '4913', 'below/d.yaml']
  const at = await directoryOf(t, 'b.yml', 'a.yaml', 'c.json', ...litter)
  t.same(await find(at, '.'), ['a.yaml', 'b.yml', 'c.json'])
  const tree = createTree()
  t.equal((await findInDirectory(tree, at)).length, 3)
  t.same([...tree.identities.keys()], [at])
})

t.test('a path that is no directory is itself, whatever it is called', async t => {
  const at = await directoryOf(t, 'services.conf')
  t.same(await find(at, 'services.conf'), ['services.conf'])
})

t.test('a glob means the registry files that fit, at any depth where it says so', async t => {
  const at = await directoryOf(t, 'a.yaml', 'x/b.yaml', 'x/y/c.yaml', 'x/y/d.txt', 'x/.git/e.yaml', 'z/b.json')
  t.same(await find(at, '*.yaml'), ['a.yaml'])
  t.same(await find(at, '*/b.*'), ['x/b.yaml', 'z/b.json'])
  t.same(await find(at, '**/*.yaml'), ['a.yaml', 'x/b.yaml', 'x/y/c.yaml'])
  t.same(await find(at, '**'), ['a.yaml', 'x/b.yaml', 'x/y/c.yaml', 'z/b.json'])
  t.same(await find(at, 'x/**'), ['x/b.yaml', 'x/y/c.yaml'])
  t.same(await find(at, '{x,z}/**/b.*'), ['x/b.yaml', 'z/b.json'])
  t.same(await find(at, 'x/*'), ['x/b.yaml'], 'only registry files count')
  t.same(await find(at, '*.json'), [], 'that nothing fits is no mistake')
})

t.test('links to directories count where one is meant, and are not followed at any depth', async t => {
  const at = await directoryOf(t, 'real/a.yaml')
  await symlink('real', join(at, 'link'))
  await symlink('..', join(at, 'real', 'back'))
  await symlink('nowhere', join(at, 'dangling'))
  t.same(await find(at, '*/a.yaml'), ['link/a.yaml', 'real/a.yaml'])
  t.same(await find(at, '**/a.yaml'), ['real/a.yaml'])
})

t.test('what a path, or the beginning of a glob, leads to must be there', async t => {
  const at = await directoryOf(t, 'a.yaml')
  await t.rejects(find(at, 'none.yaml'), { code: 'ENOENT' })
  await t.rejects(find(at, 'none/*.yaml'), { code: 'ENOENT' })
  await t.rejects(find(at, 'a.yaml/*.yaml'), { code: 'ENOTDIR' })
})

t.test('more directories than anybody would name are refused', async t => {
  const at = await directoryOf(t)
  for (let index = 0; index < 1_001; index += 1) await mkdir(join(at, `d${index}`))
  await t.rejects(find(at, '**/*.yaml'), /more than 1000 directories/)
})

t.test('another directory of the same name is another one', async t => {
  const at = await directoryOf(t)
  const identity = async () => {
    const tree = createTree()
    await tree.list(at)
    return tree.identities.get(at)
  }
  const first = await identity()
  t.equal(await identity(), first)
  await rm(at, { recursive: true })
  await t.rejects(identity(), { code: 'ENOENT' })
  await mkdir(at)
  t.not(await identity(), first)
  await chmod(at, 0o755)
})
