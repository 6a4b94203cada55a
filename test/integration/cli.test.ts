import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parse, parseAllDocuments } from 'yaml'
import { eventually } from '../support/eventually.ts'
import { joinHost } from '../support/mesh-agent.ts'

const cli = join(import.meta.dirname, '../../cli/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'weft-cli-'))
const at = (name: string) => join(directory, name)
t.teardown(() => rmSync(directory, { recursive: true }))

const environment = { PATH: process.env.PATH ?? '', NODE_NO_WARNINGS: '1' }

interface Said {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs `weft` as an operator does, and holds everything it says to one rule: never a stack trace. */
async function weft(
  args: readonly string[],
  given: { env?: Record<string, string>; input?: string } = {},
): Promise<Said> {
  const child = spawn(process.execPath, [cli, ...args], { env: { ...environment, ...given.env } })
  const said = collect(child)
  child.stdin.end(given.input ?? '')
  const code = await new Promise<number | null>(resolve => child.once('close', resolve))
  const all = `${said.stdout}${said.stderr}`
  assert.doesNotMatch(all, /^ +at .*[:)]\d*/m, `a stack trace from weft ${args.join(' ')}: ${all}`)
  return { code, ...said }
}

function collect(child: ChildProcess): { stdout: string; stderr: string } {
  const said = { stdout: '', stderr: '' }
  for (const stream of ['stdout', 'stderr'] as const) {
    child[stream]?.setEncoding('utf8').on('data', (text: string) => {
      said[stream] += text
    })
  }
  return said
}

/** A server as an operator starts it, on free ports; gives where its API is. */
async function startServer(name: string, services = '') {
  mkdirSync(at(`${name}-services`))
  if (services !== '') writeFileSync(at(`${name}-services/mesh.yaml`), services)
  const config = {
    name,
    dataDir: at(`${name}-data`),
    listen: { host: '127.0.0.1', websocketPort: 0, grpcPort: 0, apiPort: 0, metricsHost: '127.0.0.1', metricsPort: 0 },
    registries: [{ name: 'files', kind: 'static', directory: at(`${name}-services`) }],
  }
  writeFileSync(at(`${name}.json`), JSON.stringify(config))
  const child = spawn(
    process.execPath,
    [cli, 'server', '--config', at(`${name}.json`), '--trust-domain', 'mesh.test'],
    {
      env: environment,
    },
  )
  const exited = new Promise<number | null>(resolve => child.once('exit', resolve))
  const said = collect(child)
  t.teardown(() => child.kill('SIGKILL'))
  const line = await eventually(() => {
    assert.equal(child.exitCode, null, said.stderr)
    const found = said.stdout.split('\n').find(one => one.includes('server is running'))
    assert.ok(found, 'it runs')
    return found
  }, 30_000)
  return {
    api: (JSON.parse(line) as { api: string }).api,
    token: at(`${name}-data/admin-token`),
    async stop() {
      child.kill('SIGTERM')
      return await exited
    },
  }
}

const policy = (name: string, more = '') => `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: ${name}, namespace: default }
spec: { mtls: { mode: STRICT }${more} }
`

t.test('an operator’s day', async t => {
  const services = `services:
  - { name: api, ports: { http: 80 } }
workloads:
  - { name: web-1, node: vm-1, address: 10.0.0.1, serviceAccount: web }
  - { name: api-1, node: vm-1, address: 10.0.0.1, serviceAccount: api, labels: { app: api, tier: back }, services: { api: { http: 8080 } } }
`
  const [one, two] = await Promise.all([startServer('one', services), startServer('two')])
  const operate = (...args: readonly string[]) => weft([...args, '-s', one.api, '--token-file', one.token])
  const file = (name: string, text: string) => {
    writeFileSync(at(name), text)
    return at(name)
  }

  await t.test('tokens are made, listed and revoked, and let a host join once', async t => {
    const made = await operate('token', 'create', '--node', 'vm-1', '--ttl', '30m')
    t.equal(made.code, 0, made.stderr)
    t.match(made.stdout, /^\S+\n$/, 'the token and nothing else')
    t.match((await operate('token', 'list')).stdout, /vm-1 +\(as declared\) +usable +in 30 min/)
    t.ok(await joinHost(one.api, made.stdout.trim()))
    await t.rejects(joinHost(one.api, made.stdout.trim()), /WEFT_TOKEN_REFUSED/)

    const other = JSON.parse((await operate('token', 'create', '--node', 'vm-2', '-o', 'json')).stdout) as {
      id: string
    }
    const revoked = await operate('token', 'revoke', other.id)
    t.match(revoked, { code: 0, stdout: `token ${other.id} is revoked\n` })
    t.match(await operate('token', 'revoke', other.id), {
      code: 3,
      stderr: /^weft: no usable join token .*WEFT_NOT_FOUND/,
    })
    const listed = parse((await operate('token', 'list', '-o', 'yaml')).stdout) as { node: string; state: string }[]
    t.same(listed.map(token => `${token.node} ${token.state}`).sort(), ['vm-1 used', 'vm-2 revoked'])
  })

  await t.test('mistakes in what is asked for are named, with exit status 2', async t => {
    for (const [args, said] of [
      [['token', 'create', '--node', 'vm-3', '--ttl', '1s'], /between one minute and seven days/],
      [['token', 'create', '--node', 'no name'], /WEFT_SPIFFE_ID/],
      [['status', '-o', 'xml'], /xml is no output format .*: use one of table, wide, json, yaml/],
      [['stats'], /unknown command 'stats'/],
      [['apply', '-f', '/nowhere/at-all.yaml'], /\/nowhere\/at-all\.yaml cannot be read/],
    ] as const) {
      const { code, stderr } = await operate(...args)
      t.equal(code, 2, `${args.join(' ')}: ${stderr}`)
      t.match(stderr, said)
    }
  })

  await t.test('resources are applied from a file and from standard input, read in every form, deleted', async t => {
    const strict = file('strict.yaml', policy('strict'))
    t.match(await operate('apply', '-f', strict, '--dry-run'), { stdout: /default\/strict created \(dry run\)\n/ })
    t.match((await operate('get')).stdout, /^no resources\n$/)
    t.match(await operate('apply', '-f', strict), { code: 0, stdout: 'PeerAuthentication default/strict created\n' })
    const shop = policy('shop').replace('namespace: default', 'namespace: shop')
    const applied = await weft(['apply', '-f', '-', '-s', one.api, '--token-file', one.token], { input: shop })
    t.match(applied, { code: 0, stdout: 'PeerAuthentication shop/shop created\n' })
    t.match((await operate('get', 'peerauthentication', '-n', 'default')).stdout, /default +strict +\d+ +20\d\d-/)
    t.match(JSON.parse((await operate('get', '-o', 'json')).stdout), [{ kind: 'PeerAuthentication' }, {}])
    const { stdout: stream } = await operate('get', '-o', 'yaml')
    t.equal(parseAllDocuments(stream).length, 2)
    t.match(await operate('apply', '-f', file('again.yaml', stream)), {
      code: 0,
      stdout: 'PeerAuthentication default/strict unchanged\nPeerAuthentication shop/shop unchanged\n',
    })
    t.match(await operate('delete', '-f', file('both.yaml', `${shop}---\n${policy('ghost')}`)), {
      code: 3,
      stderr: /there is no PeerAuthentication default\/ghost .*nothing was deleted/,
    })
    t.match(await operate('delete', '-f', file('shop.yaml', shop)), {
      stdout: 'PeerAuthentication shop/shop deleted\n',
    })
    t.match(await operate('get', 'PeerAuthentication', 'shop'), { code: 3, stderr: /WEFT_NOT_FOUND/ })
  })

  await t.test('who may call and with which tokens is applied, warned of, shown and deleted', async t => {
    const policies = file(
      'policies.yaml',
      `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: { name: api, namespace: default, annotations: { istio.io/dry-run: "true" } }
spec:
  targetRefs: [{ kind: Service, name: apo }]
  rules: [{ from: [{ source: { namespaces: [default] } }] }]
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: { name: people, namespace: default }
spec:
  selector: { matchLabels: { app: api } }
  jwtRules: [{ issuer: "https://id.example", jwks: '{"keys":[]}' }]
`,
    )
    const applied = await operate('apply', '-f', policies)
    t.equal(applied.code, 0, applied.stderr)
    t.match(
      applied.stdout,
      /^AuthorizationPolicy default\/api created\nRequestAuthentication default\/people created\n/,
    )
    t.match(
      applied.stdout,
      /policies\.yaml:5:\d+: warning: spec\.targetRefs\[0\]\.name: apo is no service .*did you mean api\?/,
    )
    t.match(applied.stdout, /policies\.yaml:13:\d+: warning: spec\.jwtRules: lets requests without a token in/)
    t.match((await operate('analyze')).stdout, /warning +unknown-target +AuthorizationPolicy default\/api/)
    t.match((await operate('get', 'authorizationpolicy')).stdout, /AuthorizationPolicy +default +api/)
    const custom =
      'apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: { name: x }\nspec: { action: CUSTOM }\n'
    t.match(await operate('apply', '-f', file('custom.yaml', custom)), {
      code: 2,
      stderr: /custom\.yaml:4:17: spec\.action: is not implemented: CUSTOM/,
    })
    t.match(await operate('delete', '-f', policies), { code: 0 })
  })

  await t.test('a bad file is refused at its place, with what was meant, and nothing of it is applied', async t => {
    const text = `${policy('fine').replace('namespace: default', 'namespace: shop')}---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: bad, namespace: shop }
spec:
  mtls: { mod: STRICT }
  selektor: {}
`
    const bad = file('bad.yaml', text)
    for (const verb of ['apply', 'delete']) {
      const { code, stdout, stderr } = await operate(verb, '-f', bad)
      t.equal(code, 2)
      t.equal(stdout, '')
      t.match(stderr, /^weft: .*bad\.yaml:10:11: .*did you mean mode\?.*\(and 1 more\) \(WEFT_RESOURCE_INVALID\): /)
      t.match(stderr, /\n {2}.*bad\.yaml:11:3: .*did you mean selector\?/)
    }
    t.notMatch((await operate('get')).stdout, /fine/)
    t.match(await operate('apply', '-f', file('broken.yaml', 'a: [\n')), { code: 2, stderr: /broken\.yaml:/ })
  })

  await t.test('two policies for one scope, or one workload, are refused naming both', async t => {
    const second = await operate('apply', '-f', file('second.yaml', policy('second')))
    t.equal(second.code, 2)
    t.match(
      second.stderr,
      /default\/second and .*default\/strict are both for namespace default.*WEFT_RESOURCE_CONFLICT/,
    )
    const select = (label: string) => `, selector: { matchLabels: { ${label} } }`
    await operate('apply', '-f', file('app.yaml', policy('by-app', select('app: api'))))
    const overlapping = await operate('apply', '-f', file('tier.yaml', policy('by-tier', select('tier: back'))))
    t.equal(overlapping.code, 2, overlapping.stdout)
    t.match(overlapping.stderr, /by-tier and .*by-app are both for workload default\/api-1/)
  })

  await t.test('status, services and explain say how things are', async t => {
    await eventually(async () => assert.match((await operate('services')).stdout, /api/), 30_000)
    t.match((await operate('services')).stdout, /default +api +240\.240\.\d+\.\d+ +80\/http +1\/1 +mesh +files/)
    t.match(
      (await operate('status')).stdout,
      /server one, trust domain mesh\.test.*vm-1 +not seen yet.*files +static +fresh/s,
    )
    const status = JSON.parse((await operate('status', '-o', 'json')).stdout) as Record<string, unknown>
    t.match(status, { server: 'one', agents: [{ node: 'vm-1', state: 'never' }] })
    t.same(Object.keys(parse((await operate('status', '-o', 'yaml')).stdout)), Object.keys(status))
    const allowed = await operate('explain', '--from', 'web', '--to', 'api.default:80')
    t.match(allowed, { code: 0, stdout: /web to api\.default:80 is let through/ })
    const refused = await operate('explain', '--from', 'outside', '--to', 'api', '-o', 'json')
    t.equal(refused.code, 1, 'scripts can ask')
    t.match(JSON.parse(refused.stdout), { verdict: 'refused', reason: 'MTLS_REQUIRED' })
    t.match(await operate('explain', '--from', 'ghost', '--to', 'api'), { code: 3, stderr: /ghost/ })
    const rule = [
      '{ apiVersion: networking.istio.io/v1, kind: VirtualService, metadata: { name: api }, spec: { hosts: [api],',
      'http: [{ match: [{ uri: { prefix: /old } }], redirect: { uri: /new } }, { route: [{ destination: { host: api } }] }] } }',
    ].join('\n')
    t.match(await operate('apply', '-f', file('rule.yaml', rule)), {
      code: 0,
      stdout: /VirtualService default\/api created/,
    })
    const request = await operate('explain', '--from', 'web', '--to', 'api', '--path', '/x', '--header', 'x-a: 1')
    t.match(request, {
      code: 0,
      stdout: /-- +rule +VirtualService default\/api http\[0\]: the path does not begin with/,
    })
    t.match(request.stdout, /ok +rule +VirtualService default\/api http\[1\].*web to api is let through/s)
    const moved = await operate('explain', '--from', 'web', '--to', 'api', '--path', '/old', '-o', 'json')
    t.match(JSON.parse(moved.stdout), { verdict: 'allowed', reason: 'REDIRECT', request: { action: 'redirect' } })
    t.match(await operate('registries', 'confirm', 'files'), { code: 0, stdout: /nothing of files was held back/ })
    t.match(await operate('registries', 'confirm', 'ghost'), { code: 3, stderr: /no registry is called ghost/ })
  })

  await t.test('who has no good token, or talks to the wrong server, is told so', async t => {
    const token = readFileSync(one.token, 'utf8').trim()
    const wrong = `${token.slice(0, 9)}${'A'.repeat(43)}${token.slice(52)}`
    const withToken = (WEFT_TOKEN: string, server: string) => weft(['status', '-s', server], { env: { WEFT_TOKEN } })
    t.match(await withToken(token, one.api), { code: 0 }, 'the environment serves as well as a file')
    const refused = await withToken(wrong, one.api)
    t.match(refused, { code: 5, stderr: /^weft: the server does not know this token \(WEFT_UNAUTHENTICATED\): / })
    t.notMatch(refused.stderr, wrong)
    t.match(await weft(['status', '-s', one.api, '--token-file', at('none')]), { code: 5, stderr: /--token-file/ })
    const elsewhere = await weft(['status', '-s', one.api, '--token-file', two.token])
    t.match(elsewhere, { code: 4, stderr: /WEFT_SERVER_UNTRUSTED/ })
  })

  await t.test('a server that is not there, hangs up, or speaks something else is unreachable', async t => {
    const rude = createServer(socket => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1')
    t.teardown(() => rude.close())
    await new Promise(resolve => rude.once('listening', resolve))
    const address = rude.address()
    const port = typeof address === 'object' && address !== null ? address.port : 0
    for (const server of ['127.0.0.1:1', `127.0.0.1:${port}`]) {
      const { code, stderr } = await weft(['status', '-s', server, '--token-file', one.token])
      t.equal(code, 4, stderr)
      t.match(stderr, /^weft: .*\(WEFT_SERVER_UN\w+\): .+\n$/)
    }
  })

  t.same(await Promise.all([one.stop(), two.stop()]), [0, 0], 'servers stop cleanly')
})

t.test('settings that cannot work are named, and no server starts', async t => {
  const env = { WEFT_SERVER_DATA_DIR: at('never') }
  t.match(await weft(['server', '--log-level', 'loud'], { env }), { code: 2, stderr: /logLevel|log-level/ })
  writeFileSync(at('wrong.yaml'), 'dataDir: /x\nlisten:\n  apiprt: 1\n')
  t.match(await weft(['server', '-c', at('wrong.yaml')], { env }), {
    code: 2,
    stderr: /wrong\.yaml:3:3: .*did you mean apiPort\?/,
  })
})

t.test('help and version end well, a missing command does not', async t => {
  t.match(await weft(['--version']), { code: 0, stdout: /^\d+\.\d+\.\d+\n$/ })
  for (const args of [['--help'], ['agent', 'run', '--help']]) {
    t.match(await weft(args), { code: 0, stdout: /Usage: weft/ }, args.join(' '))
  }
  t.match(await weft(['token']), { code: 2, stderr: /Usage: weft token/ })
})

t.test('a reader that stops reading is no accident', async t => {
  const child = spawn('sh', ['-c', '"$0" "$1" --help | head -n 1', process.execPath, cli], { env: environment })
  const said = collect(child)
  await new Promise(resolve => child.once('close', resolve))
  t.match(said.stdout, /^Usage/)
  t.equal(said.stderr, '')
})
