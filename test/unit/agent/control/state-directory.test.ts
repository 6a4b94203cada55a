import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { openStateDirectory } from '../../../../agent/control/state-directory.ts'
import { decodeStateFile, encodeStateFile } from '../../../../agent/control/state-file.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { FakeClock } from '../../../fakes/clock.ts'

const root = mkdtempSync(join(tmpdir(), 'weft-state-'))
t.teardown(() => rmSync(root, { recursive: true }))
let count = 0

function freshPath(): string {
  count += 1
  return join(root, `state-${count}`)
}

const open = (path: string) => openStateDirectory(path, { clock: new FakeClock(), log: silentLog })
const asIs = (value: unknown) => value

t.test('gives back what was written, also to a later process', async t => {
  const path = freshPath()
  const state = await open(path)
  t.equal(await state.read('config', asIs), undefined)
  await state.write('config', { a: ['ü', 1] })
  t.same(await (await open(path)).read('config', asIs), { a: ['ü', 1] })
  t.equal(statSync(path).mode & 0o777, 0o700)
  t.equal(statSync(join(path, 'config')).mode & 0o777, 0o600)
  t.same(readdirSync(path), ['config'])
})

t.test('keeps writes in order and one previous generation', async t => {
  const path = freshPath()
  const state = await open(path)
  await Promise.all([1, 2, 3].map(value => state.write('config', value)))
  t.equal(decodeStateFile(readFileSync(join(path, 'config'))), 3)
  t.equal(decodeStateFile(readFileSync(join(path, 'config.previous'))), 2)
})

t.test('never reads a truncated or altered file, and falls back to the previous generation', async () => {
  const path = freshPath()
  const state = await open(path)
  await state.write('config', { generation: 'old' })
  await state.write('config', { generation: 'new' })
  const good = readFileSync(join(path, 'config'))
  const truncation = fc.nat(good.length - 1).map(length => good.subarray(0, length))
  const flip = fc.tuple(fc.nat(good.length - 1), fc.nat(7)).map(([at, bit]) => {
    const bytes = Buffer.from(good)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << bit)
    return bytes
  })
  const extension = fc.uint8Array({ minLength: 1, maxLength: 9 }).map(more => Buffer.concat([good, more]))
  await fc.assert(
    fc.asyncProperty(fc.oneof(truncation, flip, extension), async bytes => {
      writeFileSync(join(path, 'config'), bytes, { mode: 0o600 })
      const reopened = await open(path)
      const value = await reopened.read('config', asIs)
      const kept = readdirSync(path).filter(name => name.startsWith('config.corrupt-'))
      const asItWas = kept.length === 1 && readFileSync(join(path, kept[0] ?? '')).equals(bytes)
      for (const name of kept) rmSync(join(path, name))
      return JSON.stringify(value) === '{"generation":"old"}' && asItWas && reopened.problems.length === 1
    }),
    { numRuns: 1000 },
  )
})

t.test('starts from nothing when both generations are broken, and writes again afterwards', async t => {
  const path = freshPath()
  const first = await open(path)
  await first.write('config', 1)
  await first.write('config', 2)
  writeFileSync(join(path, 'config'), 'x')
  writeFileSync(join(path, 'config.previous'), 'y')
  const state = await open(path)
  t.equal(await state.read('config', asIs), undefined)
  t.equal(state.problems.length, 2)
  await state.write('config', 3)
  t.equal(await (await open(path)).read('config', asIs), 3)
})

t.test('does not let a broken current generation replace the good previous one', async t => {
  const path = freshPath()
  const first = await open(path)
  await first.write('config', 1)
  await first.write('config', 2)
  writeFileSync(join(path, 'config'), 'x')
  const state = await open(path)
  await state.read('config', asIs)
  await state.write('config', 3)
  t.equal(decodeStateFile(readFileSync(join(path, 'config.previous'))), 1)
})

t.test('sets aside what parse refuses', async t => {
  const path = freshPath()
  await (await open(path)).write('ports', { not: 'ports' })
  const state = await open(path)
  const parse = () => {
    throw new Error('not a port assignment')
  }
  t.equal(await state.read('ports', parse), undefined)
  t.match(state.problems[0], /^ports was set aside as ports\.corrupt-\S+: not a port assignment$/)
})

t.test('does not read a file that others could read or write, a link, or a fifo', async t => {
  const path = freshPath()
  const first = await open(path)
  await first.write('node', 'old')
  await first.write('node', 'new')
  chmodSync(join(path, 'node'), 0o640)
  const state = await open(path)
  t.equal(await state.read('node', asIs), 'old')
  t.match(state.problems[0], /mode 640 lets others in/)

  symlinkSync(join(path, 'node.previous'), join(path, 'link'))
  t.equal(await state.read('link', asIs), undefined)
  mkdirSync(join(path, 'folder'))
  t.equal(await state.read('folder', asIs), undefined)
  t.equal(state.problems.length, 3)
})

t.test('closes a directory that was open to others', async t => {
  const path = freshPath()
  mkdirSync(path, { mode: 0o755 })
  await open(path)
  t.equal(statSync(path).mode & 0o777, 0o700)
})

t.test('survives the leftovers of a crash in the middle of a write', async t => {
  const path = freshPath()
  await (await open(path)).write('config', 1)
  writeFileSync(join(path, 'config.new'), 'half')
  writeFileSync(join(path, 'config.previous.new'), 'half')
  const state = await open(path)
  t.equal(await state.read('config', asIs), 1)
  await state.write('config', 2)
  t.same(readdirSync(path).sort(), ['config', 'config.previous'])
})

t.test('says so when the directory cannot be written, and works again when it can', async t => {
  const path = freshPath()
  const state = await open(path)
  rmSync(path, { recursive: true })
  await t.rejects(state.write('config', 1), { code: 'WEFT_STATE_UNWRITABLE' })
  mkdirSync(path, { mode: 0o700 })
  await state.write('config', 2)
  t.equal(await state.read('config', asIs), 2)
  await t.rejects(open(join(path, 'config', 'below-a-file')), { code: 'WEFT_STATE_UNWRITABLE' })
})

t.test('encodes any JSON value', async () => {
  fc.assert(
    fc.property(fc.jsonValue(), value => {
      return JSON.stringify(decodeStateFile(encodeStateFile(value))) === JSON.stringify(value)
    }),
  )
})
