import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readDirectory } from '../../../../registry-adapters/static/read-directory.ts'

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'weft-read-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

t.test('reads registry files in order, and not what editors leave around', async t => {
  const at = await directory(t)
  for (const name of [
    'b.yml',
    'a.yaml',
    'c.json',
    '.a.yaml.swp',
    '.a.yaml',
    'a.yaml~',
    '#a.yaml',
    'README.md',
    '4913',
  ]) {
    await writeFile(join(at, name), name)
  }
  await mkdir(join(at, 'below'))
  await writeFile(join(at, 'below', 'd.yaml'), '')
  const { files } = await readDirectory(at)
  t.same(
    [...files],
    [
      ['a.yaml', { kind: 'text', text: 'a.yaml' }],
      ['b.yml', { kind: 'text', text: 'b.yml' }],
      ['c.json', { kind: 'text', text: 'c.json' }],
    ],
  )
})

t.test('follows links, and takes a dangling one for a file that is not there', async t => {
  const at = await directory(t)
  await writeFile(join(at, 'real'), 'x')
  await symlink('real', join(at, 'a.yaml'))
  await symlink('nowhere', join(at, 'b.yaml'))
  t.same([...(await readDirectory(at)).files.keys()], ['a.yaml'])
})

t.test('what is no readable text is named with the reason, and holds up nothing', async t => {
  const at = await directory(t)
  await mkdir(join(at, 'folder.yaml'))
  execFileSync('mkfifo', [join(at, 'pipe.yaml')])
  await writeFile(join(at, 'bytes.yaml'), Buffer.from([0xff, 0xfe, 0xfd]))
  await writeFile(join(at, 'huge.yaml'), Buffer.alloc((1 << 20) + 1, 0x20))
  await writeFile(join(at, 'good.yaml'), 'x')
  const { files } = await readDirectory(at)
  t.match(Object.fromEntries(files), {
    'folder.yaml': { kind: 'failed' },
    'pipe.yaml': { kind: 'failed', reason: 'is not a file' },
    'bytes.yaml': { kind: 'failed', reason: 'is not UTF-8 text' },
    'huge.yaml': { kind: 'failed', reason: 'is larger than 1 MiB' },
    'good.yaml': { kind: 'text', text: 'x' },
  })
})

t.test('another directory of the same name is another one', async t => {
  const at = await directory(t)
  const { identity } = await readDirectory(at)
  t.equal((await readDirectory(at)).identity, identity)
  await rm(at, { recursive: true })
  await t.rejects(readDirectory(at), { code: 'ENOENT' })
  await mkdir(at)
  t.not((await readDirectory(at)).identity, identity)
})
