import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { checkExec } from '../../../../agent/health/exec.ts'
import { eventually, until } from '../../../support/eventually.ts'

function run(command: readonly string[], signal = AbortSignal.timeout(20_000)) {
  return checkExec({ kind: 'exec', command }, '127.0.0.1', signal)
}

function folder(t: Test): string {
  const path = mkdtempSync(join(tmpdir(), 'weft-exec-'))
  t.teardown(() => rmSync(path, { recursive: true }))
  return path
}

/** False for a process that is gone or only waits to be reaped. */
function isAlive(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, 'utf8'))
  } catch {
    return false
  }
}

t.test('exit code 0 is healthy, any other is not, with the first line that explains', async t => {
  t.same(await run(['true']), { healthy: true, reason: '' })
  t.same(await run(['false']), { healthy: false, reason: 'exit code 1' })
  t.same(await run(['sh', '-c', 'echo out; echo; exit 2']), { healthy: false, reason: 'exit code 2: out' })
  const both = 'echo out; echo >&2; echo disk full >&2; exit 3'
  t.same(await run(['sh', '-c', both]), { healthy: false, reason: 'exit code 3: disk full' })
  t.same(await run(['sh', '-c', 'kill -TERM $$']), { healthy: false, reason: 'killed by SIGTERM' })
})

t.test('no shell reads the command, and no environment of the agent reaches it', async t => {
  const file = join(folder(t), 'environment')
  process.env.WEFT_TEST_SECRET = 'x'
  t.teardown(() => delete process.env.WEFT_TEST_SECRET)
  t.same(await run(['test', '$(id)', '=', '$(id)']), { healthy: true, reason: '' })
  t.match(await run(['sh', '-c', `env > ${file}; pwd >> ${file}`]), { healthy: true })
  const seen = readFileSync(file, 'utf8')
  t.notMatch(seen, /WEFT_TEST_SECRET/)
  t.match(seen, /^PATH=\S+\/usr\/bin/m)
  t.match(seen, /^\/$/m)
})

t.test('a program that is not there or may not be run says so', async t => {
  t.same(await run(['weft-no-such-program']), { healthy: false, reason: 'the program is not there' })
  const file = join(folder(t), 'plain')
  writeFileSync(file, 'x', { mode: 0o600 })
  t.same(await run([file]), { healthy: false, reason: 'the program may not be executed' })
})

t.test('a program that takes too long is killed with everything it has started', async t => {
  const file = join(folder(t), 'pids')
  const abort = new AbortController()
  const checking = run(['sh', '-c', `sleep 1000 & echo $$ $! > ${file}; wait`], abort.signal)
  const pids = await pidsIn(file)
  t.ok(pids.every(isAlive))
  abort.abort()
  t.match(await checking, { healthy: false, reason: /too long/ })
  await until('killed', () => !pids.some(isAlive))
})

t.test('a program that leaves another behind is judged by its own exit code', async t => {
  const file = join(folder(t), 'pids')
  const abort = new AbortController()
  const checking = run(['sh', '-c', `setsid sleep 1000 & echo $$ $! > ${file}; exit 0`], abort.signal)
  const [own, left] = await pidsIn(file)
  t.teardown(() => process.kill(left, 'SIGKILL'))
  // Once it is not even a zombie any more its end has been noticed here.
  await until('the program has ended', () => !existsSync(`/proc/${own}`))
  abort.abort()
  t.same(await checking, { healthy: true, reason: '' })
  t.ok(isAlive(left), 'what it left behind on purpose is its own affair')
})

t.test('endless output neither fills memory nor stops the program', async t => {
  const said = await run(['sh', '-c', 'head -c 50000000 /dev/zero; echo done >&2; exit 1'])
  t.same(said, { healthy: false, reason: 'exit code 1: done' })
})

/** The two process ids that a program has written. */
function pidsIn(file: string): Promise<readonly [number, number]> {
  return eventually(() => {
    const [own, other] = readFileSync(file, 'utf8').trim().split(' ').map(Number)
    if (own === undefined || other === undefined) throw new Error('not started')
    return [own, other]
  })
}
