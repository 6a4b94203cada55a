import { spawn } from 'node:child_process'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { eventually } from '../support/eventually.ts'

const main = new URL('../../server/main.ts', import.meta.url).href

/** A server as a process of its own, on free ports. */
function startServer(
  t: { teardown(stop: () => unknown): unknown },
  dataDir: string,
  more: Readonly<Record<string, string>> = {},
) {
  const script = `const { runServer } = await import('${main}'); await runServer({ env: process.env, flags: {} })`
  const ports = ['WEBSOCKET', 'GRPC', 'API', 'METRICS'].map(name => [`WEFT_SERVER_LISTEN_${name}_PORT`, '0'])
  const child = spawn(process.execPath, ['--input-type=module', '--eval', script], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH ?? '',
      WEFT_SERVER_DATA_DIR: dataDir,
      WEFT_SERVER_LISTEN_HOST: '127.0.0.1',
      WEFT_SERVER_LISTEN_METRICS_HOST: '127.0.0.1',
      ...Object.fromEntries(ports),
      ...more,
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
  return { child, output, exited }
}

async function running({ output }: { readonly output: { readonly text: string } }) {
  await eventually(() => {
    if (!output.text.includes('server is running')) throw new Error(output.text)
  }, 30_000)
}

function filesBelow(folder: string): readonly string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter(entry => entry.isFile())
    .map(entry => join(entry.parentPath, entry.name))
}

t.test('secrets of a running server are in no argument, variable, log or file that others can read', async t => {
  const dataDir = join(t.testdir({}), 'data')
  const server = startServer(t, dataDir)
  await running(server)
  const files = filesBelow(dataDir)
  const token = readFileSync(join(dataDir, 'admin-token'), 'utf8').trim()
  const keys = files
    .map(file => readFileSync(file, 'latin1'))
    .flatMap(text => [...text.matchAll(/-----BEGIN [A-Z ]*PRIVATE KEY-----\s+(\S{40})/g)].map(found => found[1] ?? ''))
  t.ok(keys.length >= 2, 'the keys of root and issuer are there to be looked for')
  const secrets = [token, token.split('_')[1] ?? token, ...keys]
  const ofProcess = (name: string) => readFileSync(`/proc/${server.child.pid}/${name}`, 'latin1')
  const places = { cmdline: ofProcess('cmdline'), environ: ofProcess('environ'), log: server.output.text }
  for (const [place, text] of Object.entries(places)) {
    t.notOk(
      secrets.some(secret => text.includes(secret)),
      place,
    )
  }
  for (const file of files) {
    const text = readFileSync(file, 'latin1')
    if (secrets.some(secret => text.includes(secret))) t.equal(statSync(file).mode & 0o077, 0, file)
  }
  t.equal(statSync(dataDir).mode & 0o077, 0)
  const before = filesBelow(dataDir).length + readdirSync('.').length
  for (const signal of ['SIGUSR1', 'SIGUSR1'] as const) server.child.kill(signal)
  await eventually(() => {
    if (!server.output.text.includes('SIGUSR1 is ignored')) throw new Error(server.output.text)
  })
  t.equal(filesBelow(dataDir).length + readdirSync('.').length, before, 'no snapshot was written')
  t.notMatch(server.output.text, /[Dd]ebugger listening/)
})

t.test(
  'a server does not start in an environment that gives its secrets away, and says what is wrong with it',
  async t => {
    const cases: readonly [more: Record<string, string>, said: RegExp][] = [
      [{ SSLKEYLOGFILE: '/dev/null' }, /SSLKEYLOGFILE would give away/],
      [{ NODE_OPTIONS: '--insecure-http-parser' }, /--insecure-http-parser would give away/],
      [{ NODE_OPTIONS: '--heapsnapshot-signal=SIGUSR2' }, /--heapsnapshot-signal would give away/],
    ]
    const dataDir = join(t.testdir({}), 'data')
    for (const [more, said] of cases) {
      const server = startServer(t, dataDir, more)
      t.not(await server.exited, 0)
      t.match(server.output.text, said)
    }
  },
)
