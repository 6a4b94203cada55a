import assert from 'node:assert/strict'
import { type ChildProcess, execFileSync, spawn } from 'node:child_process'
import { accessSync, constants, copyFileSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import t from 'tap'
import { eventually } from '../support/eventually.ts'

const root = join(import.meta.dirname, '../..')
// as an installed package: beside the packages it needs
const cache = join(root, 'node_modules/.cache')
mkdirSync(cache, { recursive: true })
const folder = mkdtempSync(join(cache, 'weft-build-'))
t.teardown(() => rmSync(folder, { recursive: true }))
const weft = join(folder, 'dist/cli/weft')

/** Where the pinned Node is, and where the machine's own is if it has one: either may be first on the PATH. */
const nodes = [process.execPath, ...otherNodes()]

function otherNodes(): string[] {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/bin', '/usr/local/bin']
  const found = folders.filter(one => !one.includes('node_modules')).map(one => join(one, 'node'))
  return [...new Set(found)].filter(existsSync).slice(0, 1)
}

const path = `PATH=${join(root, 'node_modules/.bin')}${delimiter}${process.env.PATH}`
/** In a clean environment: the test runner puts hooks into that of every Node it starts, and tsc cannot live with them. */
const clean = (cwd: string, ...command: readonly string[]) =>
  execFileSync('env', ['-i', path, `HOME=${folder}`, ...command], { cwd, encoding: 'utf8' })

t.before(() => {
  clean(root, process.execPath, join(root, 'scripts/build.ts'), join(folder, 'dist'))
  for (const file of ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md']) {
    copyFileSync(join(root, file), join(folder, file))
  }
})

interface Running {
  readonly child: ChildProcess
  readonly output: { text: string }
  readonly exited: Promise<number | null>
}

function run(node: string, args: readonly string[], more: Readonly<Record<string, string>> = {}): Running {
  const variables = Object.entries({ PATH: `${dirname(node)}:/usr/bin:/bin`, ...more }).map(
    ([name, value]) => `${name}=${value}`,
  )
  const child = spawn('env', ['-i', ...variables, weft, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  t.teardown(() => child.exitCode === null && child.kill('SIGKILL'))
  const output = { text: '' }
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding('utf8').on('data', (text: string) => {
      output.text += text
    })
  }
  return { child, output, exited: new Promise(resolve => child.once('close', resolve)) }
}

async function said(running: Running, text: string): Promise<string> {
  return await eventually(() => {
    const line = running.output.text.split('\n').find(one => one.includes(text))
    assert.ok(line !== undefined, `${text} not in:\n${running.output.text}`)
    return line
  }, 30_000)
}

t.test('what is published runs: code, schema, launcher, and no sources or tests', async t => {
  const [packed] = JSON.parse(clean(folder, 'npm', 'pack', '--dry-run', '--json'))
  const files = (packed as { files: { path: string }[] }).files.map(one => one.path)
  for (const file of ['package.json', 'LICENSE', 'README.md', 'CHANGELOG.md', 'dist/cli/weft', 'dist/cli/main.js']) {
    t.ok(files.includes(file), file)
  }
  t.ok(files.includes('dist/mesh/wire/control.proto'))
  t.ok(files.includes('dist/agent/dataplane/thread.js'))
  t.same(
    files.filter(file => file.startsWith('dist/') && !/\.(js|proto)$/.test(file)),
    ['dist/cli/weft'],
  )
  accessSync(weft, constants.X_OK)
})

for (const node of nodes) {
  const version = clean(folder, node, '--version').trim()

  t.test(`with Node ${version} on the PATH it keeps exit statuses and output`, async t => {
    const shown = run(node, ['--version'])
    t.equal(await shown.exited, 0)
    t.equal(shown.output.text, '0.1.0\n')
    const mistaken = run(node, ['nonsense'])
    t.equal(await mistaken.exited, 2)
    t.match(mistaken.output.text, /unknown command 'nonsense'/)
    t.equal(await run(node, ['status', '-s', '127.0.0.1:1'], { WEFT_TOKEN: 'x' }).exited, 5)
  })

  t.test(`with Node ${version} on the PATH a server runs and an agent joins it over gRPC`, async t => {
    // a short path: that of a Unix socket has 107 bytes at most
    const directory = mkdtempSync(join(tmpdir(), 'weft-build-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    const at = (name: string) => join(directory, name)
    mkdirSync(at('services'))
    const listen = {
      host: '127.0.0.1',
      websocketPort: 0,
      grpcPort: 0,
      apiPort: 0,
      metricsHost: '127.0.0.1',
      metricsPort: 0,
    }
    const registries = [{ name: 'files', kind: 'static', directory: at('services') }]
    writeFileSync(at('server.json'), JSON.stringify({ dataDir: at('server'), listen, registries }))
    const server = run(node, ['server', '--config', at('server.json')])
    const addresses = JSON.parse(await said(server, 'server is running')) as Record<'api' | 'grpc', string>
    const portOf = (address: string) => Number(address.split(':').at(-1))

    const operator = ['-s', addresses.api, '--token-file', at('server/admin-token')]
    const token = run(node, ['token', 'create', '--node', 'vm-1', ...operator])
    t.equal(await token.exited, 0, token.output.text)
    writeFileSync(at('token'), token.output.text)
    const config = {
      node: 'vm-1',
      server: {
        host: '127.0.0.1',
        transport: 'grpc',
        apiPort: portOf(addresses.api),
        grpcPort: portOf(addresses.grpc),
      },
      stateDir: at('state'),
      adminSocket: at('agent.sock'),
      accessLog: '',
      capture: { enabled: false },
      threads: 1,
      ports: { outbound: 0, inbound: 0, hbone: 0, metrics: 0, readiness: 0, dns: 0 },
      metricsHost: '127.0.0.1',
    }
    writeFileSync(at('agent.json'), JSON.stringify(config))
    const joined = run(node, ['agent', 'join', '--config', at('agent.json'), '--token-file', at('token')])
    t.equal(await joined.exited, 0, joined.output.text)
    const agent = run(node, ['agent', 'run', '--config', at('agent.json')])
    await eventually(async () => {
      assert.equal(agent.child.exitCode, null, agent.output.text)
      const status = run(node, ['status', ...operator])
      await status.exited
      assert.match(status.output.text, /vm-1 +connected .* +grpc +\d+ acked/)
    }, 30_000)

    agent.child.kill('SIGKILL')
    await agent.exited
    const again = run(node, ['agent', 'run', '--config', at('agent.json')])
    await said(again, 'connected to the server')
    again.child.kill('SIGTERM')
    t.equal(await again.exited, 0, 'there is one process, and signals reach it')
    t.notMatch(again.output.text, /another agent is running/, 'also when it was killed')
    server.child.kill('SIGINT')
    server.child.kill('SIGINT')
    t.equal(await server.exited, 0, 'two signals at once are one')
    t.match(server.output.text, /server has stopped/)
  })
}
