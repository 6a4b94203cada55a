import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { readFile } from '../../../../registry-adapters/static/read-file.ts'

async function directory(t: Test): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), 'weft-read-'))
  t.teardown(() => rm(path, { recursive: true, force: true }))
  return path
}

t.test('follows links, and takes a dangling one for a file that is not there', async t => {
  const at = await directory(t)
  await writeFile(join(at, 'real'), 'x')
  await symlink('real', join(at, 'a.yaml'))
  await symlink('nowhere', join(at, 'b.yaml'))
  t.same(await readFile(join(at, 'a.yaml')), { kind: 'text', text: 'x' })
  t.same(await readFile(join(at, 'b.yaml')), { kind: 'gone' })
  t.same(await readFile(join(at, 'c.yaml')), { kind: 'gone' })
})

t.test('what is no readable text is told with the reason', async t => {
  const at = await directory(t)
  await mkdir(join(at, 'folder.yaml'))
  execFileSync('mkfifo', [join(at, 'pipe.yaml')])
  await writeFile(join(at, 'bytes.yaml'), Buffer.from([0xff, 0xfe, 0xfd]))
  await writeFile(join(at, 'huge.yaml'), Buffer.alloc((1 << 20) + 1, 0x20))
  t.match(await readFile(join(at, 'folder.yaml')), { kind: 'failed' })
  t.same(await readFile(join(at, 'pipe.yaml')), { kind: 'failed', reason: 'is not a file' })
  t.same(await readFile(join(at, 'bytes.yaml')), { kind: 'failed', reason: 'is not UTF-8 text' })
  t.same(await readFile(join(at, 'huge.yaml')), { kind: 'failed', reason: 'is larger than 1 MiB' })
})
