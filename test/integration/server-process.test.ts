import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../support/eventually.ts'

interface Test {
  teardown(stop: () => unknown): unknown
  testdir(): string
}

/** Runs a server as a process of its own, on free ports. */
function run(t: Test, env: Readonly<Record<string, string>> = {}) {
  const dataDir = join(t.testdir(), 'data')
  const main = new URL('../../server/main.ts', import.meta.url).href
  const script = `const { runServer } = await import('${main}'); await runServer({ env: process.env, flags: {} })`
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      WEFT_SERVER_DATA_DIR: dataDir,
      WEFT_SERVER_LISTEN_HOST: '127.0.0.1',
      WEFT_SERVER_LISTEN_METRICS_HOST: '127.0.0.1',
      ...Object.fromEntries(
        ['WEBSOCKET', 'GRPC', 'API', 'METRICS'].map(name => [`WEFT_SERVER_LISTEN_${name}_PORT`, '0']),
      ),
      ...env,
    },
  })
  t.teardown(() => child.kill('SIGKILL'))
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text: string) => {
      output.text += text
    })
  }
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  return { child, output, exited, dataDir }
}

async function running({ output }: { readonly child: ChildProcess; readonly output: { readonly text: string } }) {
  await eventually(() => assert.match(output.text, /server is running/), 30_000)
}

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  t.test(`${signal} stops a server cleanly`, async t => {
    const server = run(t)
    await running(server)
    server.child.kill(signal)
    t.equal(await server.exited, 0)
    t.match(server.output.text, /server has stopped/)
  })
}

t.test('SIGUSR1 opens no debugger', async t => {
  const server = run(t)
  await running(server)
  server.child.kill('SIGUSR1')
  await eventually(() => assert.match(server.output.text, /SIGUSR1 is ignored/))
  t.notMatch(server.output.text, /[Dd]ebugger listening/)
  server.child.kill('SIGTERM')
  t.equal(await server.exited, 0)
})

t.test('the log names the file of the first token and never the token', async t => {
  const server = run(t)
  await running(server)
  await eventually(() => assert.match(server.output.text, /first API token was made/))
  const token = readFileSync(join(server.dataDir, 'admin-token'), 'utf8').trim()
  t.notOk(server.output.text.includes(token))
  t.notOk(server.output.text.includes(token.split('_')[1] ?? token))
  server.child.kill('SIGTERM')
  await server.exited
})

t.test('a server does not start where checking certificates is turned off', async t => {
  const server = run(t, { NODE_TLS_REJECT_UNAUTHORIZED: '0' })
  t.not(await server.exited, 0)
  t.match(server.output.text, /NODE_TLS_REJECT_UNAUTHORIZED=0 would give away what is secret/)
  t.notOk(existsSync(server.dataDir), 'nothing was made')
})
