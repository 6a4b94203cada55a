import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Agent } from '../../agent/agent.ts'
import { identitySni } from '../../mesh/identity/sni.ts'
import { aConfig, aWorkload } from '../support/agent-config.ts'
import { type AgentWorld, agentWorld } from '../support/agent-world.ts'
import { eventually } from '../support/eventually.ts'
import { openFolder } from '../support/workload-api.ts'

const web = 'spiffe://mesh.test/ns/default/sa/web'

interface Outcome {
  readonly code: number
  readonly output: string
}

/** Runs a program to its end with nothing to read. */
function ended(file: string, args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<Outcome> {
  return new Promise(resolve => {
    const options = { env: { PATH: process.env.PATH ?? '', ...env }, timeout: 30_000 }
    const child = execFile(file, args, options, (error, stdout, stderr) =>
      resolve({
        code: typeof error?.code === 'number' ? error.code : error === null ? 0 : -1,
        output: stdout + stderr,
      }),
    )
    child.stdin?.end()
  })
}

async function serving(t: Test) {
  const world = await agentWorld(t)
  const push = (trust: object) => {
    const { host } = aConfig()
    world.push(
      { ...host, node: 'vm-1', trustDomain: 'mesh.test' },
      { kind: 'trust', trustDomain: 'mesh.test', sequence: 1, roots: [world.authority.root], ...trust },
      aWorkload({ identity: web, address: '127.0.0.1' }),
    )
  }
  push({})
  const agent = await world.start()
  await eventually(() => assert.deepEqual(agent.status().notReady, []))
  return { world, agent, push }
}

/** Opens HTTP/2 to an agent's HBONE port: `settings` when the agent speaks to the client, else what it failed with. */
function settingsOf(agent: Agent, caFile: string, client: { cert: Buffer; key: Buffer }): Promise<string> {
  return new Promise(resolve => {
    const session = connect(`https://127.0.0.1${agent.addresses['hbone/ipv4']}`, {
      ...client,
      ca: readFileSync(caFile),
      servername: identitySni(web),
      checkServerIdentity: () => undefined,
    })
    session.once('remoteSettings', () => {
      resolve('settings')
      session.destroy()
    })
    session.once('error', error => resolve(error.message))
    session.once('close', () => resolve('closed'))
  })
}

const cli = ['--disable-warning=ExperimentalWarning', join(import.meta.dirname, '../../cli/main.ts')]
const exporting = (world: AgentWorld, out: string, ...more: string[]) => [
  ...[...cli, 'identity', 'export', '--identity', 'default/web', '--out', out],
  ...['--admin-socket', world.env().WEFT_AGENT_ADMIN_SOCKET ?? '', ...more],
]

async function freePort(): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  await new Promise(resolve => server.close(resolve))
  if (address === null || typeof address === 'string') throw new Error('no port')
  return address.port
}

t.test('nginx serves with the exported files and has each renewal', async t => {
  const { world, push } = await serving(t)
  const folder = openFolder(t)
  const out = join(folder, 'tls')
  const once = await ended(process.execPath, exporting(world, out, '--once', '--owner', '42421:42421'))
  t.match(once, { code: 0, output: /is written to/ })
  for (const name of ['tls.crt', 'tls.key', 'ca.crt']) {
    t.match(statSync(join(out, name)), { uid: 42_421, gid: 42_421 })
    t.equal(statSync(join(out, name)).mode & 0o777, 0o600)
  }

  const port = await freePort()
  const conf = join(folder, 'nginx.conf')
  writeFileSync(
    conf,
    `pid ${folder}/nginx.pid; error_log ${folder}/error.log; daemon off; user root; events {}
http { access_log off; server { listen 127.0.0.1:${port} ssl; ssl_certificate ${out}/tls.crt;
  ssl_certificate_key ${out}/tls.key; ssl_client_certificate ${out}/ca.crt; ssl_verify_client on;
  location / { return 200 "hello"; } } }\n`,
  )
  const nginx = spawn('nginx', ['-c', conf], { stdio: 'ignore' })
  t.teardown(() => nginx.kill('SIGTERM'))
  const files = ['-CAfile', join(out, 'ca.crt'), '-cert', join(out, 'tls.crt'), '-key', join(out, 'tls.key')]
  const shown = async () => {
    const args = ['s_client', '-connect', `127.0.0.1:${port}`, ...files, '-verify_return_error', '-showcerts']
    const { code, output } = await ended('openssl', args)
    assert.equal(code, 0, output)
    assert.match(output, /Verify return code: 0 \(ok\)/)
    return /-----BEGIN CERTIFICATE-----[^-]+/.exec(output)?.[0]
  }
  const before = await eventually(shown, 30_000)
  const own = ['--cert', join(out, 'tls.crt'), '--key', join(out, 'tls.key'), `https://127.0.0.1:${port}/`]
  t.equal((await ended('curl', ['-sk', ...own])).output, 'hello', 'nginx takes a client of the mesh')
  t.match(await ended('curl', ['-sk', `https://127.0.0.1:${port}/`]), { output: /400 No required SSL certificate/ })

  const reload = ['--reload', `nginx -c ${conf} -s reload`, '--owner', '42421:42421']
  const exporter = spawn(process.execPath, exporting(world, out, ...reload), { stdio: ['ignore', 'pipe', 'inherit'] })
  t.teardown(() => exporter.kill('SIGKILL'))
  const generation = readdirSync(out).find(name => name.startsWith('..weft-'))
  // A root that is about to go makes the agent renew what is below it now.
  push({ sequence: 2, tainted: [world.authority.rootHash] })
  await eventually(async () => assert.notEqual(await shown(), before), 60_000)
  const generations = readdirSync(out).filter(name => name.startsWith('..weft-'))
  t.equal(generations.length, 1, 'what is not in use any more is gone')
  t.not(generations[0], generation)
})

t.test('an agent takes a client that has the exported certificate', async t => {
  const { world, agent } = await serving(t)
  const out = join(openFolder(t), 'tls')
  t.match(await ended(process.execPath, exporting(world, out, '--once')), { code: 0 })
  const client = { cert: readFileSync(join(out, 'tls.crt')), key: readFileSync(join(out, 'tls.key')) }
  t.equal(await settingsOf(agent, join(out, 'ca.crt'), client), 'settings')
})

t.test('a PKCS#12 file opens with its passphrase only', async t => {
  const { world } = await serving(t)
  const folder = openFolder(t)
  const out = join(folder, 'tls')
  const file = join(folder, 'passphrase')
  writeFileSync(file, 'çorrect horse\n')
  t.match(
    await ended(process.execPath, exporting(world, out, '--once', '--format', 'pkcs12', '--passphrase-file', file)),
    { code: 0 },
  )
  const read = ['pkcs12', '-in', join(out, 'tls.p12'), '-nodes', '-passin']
  const { code, output } = await ended('openssl', [...read, `file:${file}`])
  t.equal(code, 0)
  t.match(output, /BEGIN PRIVATE KEY/)
  t.equal(output.match(/BEGIN CERTIFICATE/g)?.length, 2)
  t.not((await ended('openssl', [...read, 'pass:wrong'])).code, 0)
  t.ok(readFileSync(join(out, 'ca.crt'), 'utf8').includes('BEGIN CERTIFICATE'))
})

t.test('what cannot be exported is said with the exit status', async t => {
  const { world } = await serving(t)
  const folder = openFolder(t)
  const other = exporting(world, folder, '--once').map(word => (word === 'default/web' ? 'default/api' : word))
  t.match(await ended(process.execPath, other), { code: 3, output: /WEFT_NOT_FOUND/ })
  const bad = exporting(world, folder, '--once').map(word => (word === 'default/web' ? 'web' : word))
  t.match(await ended(process.execPath, bad), { code: 2, output: /WEFT_USAGE/ })
  t.match(await ended(process.execPath, exporting(world, folder, '--once', '--format', 'pkcs12')), { code: 2 })
  const shared = join(folder, 'shared')
  mkdirSync(shared)
  chmodSync(shared, 0o777)
  t.match(await ended(process.execPath, exporting(world, shared, '--once')), {
    code: 2,
    output: /other users may write/,
  })
  t.same(readdirSync(shared), [])
})
