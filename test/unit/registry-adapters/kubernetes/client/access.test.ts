import { chmod, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { type AccessReader, createAccessReader } from '../../../../../registry-adapters/kubernetes/client/access.ts'
import { checkOptions, type KubernetesOptions } from '../../../../../registry-adapters/kubernetes/options.ts'
import { FakeClock } from '../../../../fakes/clock.ts'
import { writeKubeconfig } from '../../../../fakes/kubernetes-objects.ts'

const server = 'https://k8s.example.com:6443'
const never = new AbortController().signal
const base64 = (text: string) => Buffer.from(text).toString('base64')

async function reader(
  t: Test,
  given: {
    readonly user?: object
    readonly cluster?: object
    readonly server?: string
    readonly options?: KubernetesOptions
  } = {},
) {
  const kubeconfig = await writeKubeconfig(given.server ?? server, given.user, given.cluster)
  t.teardown(kubeconfig.remove)
  const clock = new FakeClock()
  const settings = checkOptions({ kubeconfig: kubeconfig.file, ...given.options })
  return { ...kubeconfig, clock, access: createAccessReader(settings, clock) }
}

const read = (access: AccessReader) => access.read(never)

t.test('certificates and a token in the kubeconfig itself', async t => {
  const user = { token: 'secret', 'client-certificate-data': base64('CERT'), 'client-key-data': base64('KEY') }
  const cluster = { 'certificate-authority-data': base64('CA'), 'tls-server-name': 'kubernetes' }
  const { access } = await reader(t, { user, cluster })
  t.same(await read(access), {
    origin: server,
    basePath: '',
    headers: { authorization: 'Bearer secret' },
    tls: { ca: 'CA', cert: 'CERT', key: 'KEY', serverName: 'kubernetes' },
  })
})

t.test('files that the kubeconfig names, from its own folder on, as they are at each reading', async t => {
  const user = { tokenFile: 'token', 'client-certificate': 'cert.pem', 'client-key': 'key.pem' }
  const { access, folder } = await reader(t, { user, cluster: { 'certificate-authority': 'ca.pem' } })
  const write = (name: string, text: string) => writeFile(join(folder, name), text)
  for (const [name, text] of Object.entries({ 'ca.pem': 'CA', 'cert.pem': 'CERT', 'key.pem': 'KEY' }))
    await write(name, text)
  await t.rejects(read(access), { code: 'WEFT_REGISTRY_UNAVAILABLE', message: 'the token file cannot be read' })
  await write('token', 'first\n')
  t.match(await read(access), {
    headers: { authorization: 'Bearer first' },
    tls: { ca: 'CA', cert: 'CERT', key: 'KEY' },
  })
  await write('token', 'second\n')
  t.match(await read(access), { headers: { authorization: 'Bearer second' } })
  await write('token', '\n')
  await t.rejects(read(access), { message: 'the token file is empty' })
})

t.test('a name and password, an impersonated user, a path before every request', async t => {
  const user = { username: 'weft', password: 'secret', as: 'reader' }
  const { access } = await reader(t, { user, server: `${server}/k8s/clusters/c-1/` })
  t.match(await read(access), {
    origin: server,
    basePath: '/k8s/clusters/c-1',
    headers: { authorization: `Basic ${base64('weft:secret')}`, 'impersonate-user': 'reader' },
  })
})

t.test('another context than the current one', async t => {
  const { file, access } = await reader(t, { options: { context: 'other' } })
  await t.rejects(read(access), { message: /no such context/, fields: { context: 'other' } })
  const config = {
    clusters: [{ name: 'b', cluster: { server: 'https://b:1' } }],
    users: [{ name: 'u', user: { token: 'x' } }],
    contexts: [{ name: 'other', context: { cluster: 'b', user: 'u' } }],
  }
  await writeFile(file, JSON.stringify(config))
  t.match(await read(access), { origin: 'https://b:1', headers: { authorization: 'Bearer x' } })
})

const refused: readonly (readonly [string, Parameters<typeof reader>[1], RegExp])[] = [
  [
    'does not check certificates',
    { cluster: { 'insecure-skip-tls-verify': true } },
    /does not check the API server's certificate/,
  ],
  ['names a proxy', { cluster: { 'proxy-url': 'http://proxy:3128' } }, /names a proxy/],
  ['names an auth provider', { user: { 'auth-provider': { name: 'gcp' } } }, /auth provider/],
  ['names a command', { user: { exec: { command: 'aws' } } }, /command for its credentials.*not allowed/],
  ['sends a token in the clear', { server: 'http://k8s:8080', user: { token: 'x' } }, /not sent over plain http/],
  ['names no server', { server: 'k8s:6443' }, /no http or https URL/],
]

for (const [what, given, message] of refused) {
  t.test(`a kubeconfig that ${what} is refused by name`, async t => {
    const { access } = await reader(t, given)
    await t.rejects(read(access), { code: 'WEFT_REGISTRY_UNAVAILABLE', message })
  })
}

t.test('a proxy of kubectl needs no credentials', async t => {
  const { access } = await reader(t, { server: 'http://127.0.0.1:8001' })
  t.match(await read(access), { origin: 'http://127.0.0.1:8001', headers: {} })
})

t.test('a kubeconfig that is missing, empty or nonsense is named, and read again', async t => {
  const { file, access, remove } = await reader(t)
  for (const text of ['', 'a: [', '[]', 'clusters: 7', '{"clusters":[{"name":"x"}]}']) {
    await writeFile(file, text)
    await t.rejects(read(access), { code: 'WEFT_REGISTRY_UNAVAILABLE', fields: { file } }, JSON.stringify(text))
  }
  await remove()
  await t.rejects(read(access), { message: 'the kubeconfig cannot be read', fields: { file } })
})

t.test('the service account of a pod', async t => {
  const account = '/var/run/secrets/kubernetes.io/serviceaccount'
  const root = t.testdir({
    var: { run: { secrets: { 'kubernetes.io': { serviceaccount: { token: 'projected', 'ca.crt': 'CA' } } } } },
  })
  const access = createAccessReader(checkOptions({}), new FakeClock(), root)
  delete process.env.KUBERNETES_SERVICE_HOST
  await t.rejects(read(access), { message: /runs in no pod/, next: /kubeconfig/ })
  t.teardown(() => delete process.env.KUBERNETES_SERVICE_HOST)
  process.env.KUBERNETES_SERVICE_HOST = 'fd00::1'
  process.env.KUBERNETES_SERVICE_PORT = '443'
  t.same(await read(access), {
    origin: 'https://[fd00::1]',
    basePath: '',
    headers: { authorization: 'Bearer projected' },
    tls: { ca: 'CA' },
  })
  await writeFile(`${root}${account}/token`, 'renewed')
  t.match(await read(access), { headers: { authorization: 'Bearer renewed' } })
})

t.test('a command that is allowed', async t => {
  /** A kubeconfig whose command is a script beside it. */
  async function withCommand(t: Test, script: string, exec: object = {}) {
    const user = { exec: { apiVersion: 'client.authentication.k8s.io/v1', command: './login', ...exec } }
    const made = await reader(t, { user, options: { allowExec: true } })
    await writeFile(join(made.folder, 'login'), `#!/bin/sh\necho x >> "${made.folder}/runs"\n${script}\n`)
    await chmod(join(made.folder, 'login'), 0o700)
    return made
  }
  const print = (status: object) => `echo '${JSON.stringify({ kind: 'ExecCredential', status })}'`

  await t.test('gives a token or a certificate, and gets its arguments and environment', async t => {
    const script = `printf '{"kind":"ExecCredential","status":{"token":"%s-%s","clientCertificateData":"CERT",' "$1" "$WHO"
printf '"clientKeyData":"KEY"}}'
echo "$KUBERNETES_EXEC_INFO" > "$0.info"`
    const exec = { args: ['one'], env: [{ name: 'WHO', value: 'me' }] }
    const { access } = await withCommand(t, script, exec)
    t.match(await read(access), { headers: { authorization: 'Bearer one-me' }, tls: { cert: 'CERT', key: 'KEY' } })
  })

  await t.test('is asked again when what it gave expires, or is refused', async t => {
    const expirationTimestamp = '2030-01-01T01:00:00Z'
    const { access, clock, folder } = await withCommand(t, print({ token: 'x', expirationTimestamp }))
    const { readFile } = await import('node:fs/promises')
    const runs = async () => (await readFile(join(folder, 'runs'), 'utf8')).trim().split('\n').length
    await read(access)
    await read(access)
    t.equal(await runs(), 1)
    access.refused()
    await read(access)
    t.equal(await runs(), 2)
    clock.jump(3_600_000)
    await read(access)
    t.equal(await runs(), 3)
  })

  for (const [what, script, message] of [
    ['fails', 'echo secret >&2; exit 3', /failed/],
    ['prints no json', 'echo secret', /printed no json/],
    ['prints something else', 'echo \'{"token":"secret"}\'', /neither a token nor a certificate/],
    ['gives a certificate without its key', print({ clientCertificateData: 'C' }), /neither a token nor a certificate/],
  ] as const) {
    await t.test(`that ${what} is named, and nothing it said`, async t => {
      const { access } = await withCommand(t, script)
      const error = await read(access).then(
        () => undefined,
        error => error,
      )
      t.match(error, { code: 'WEFT_REGISTRY_UNAVAILABLE', message, fields: { command: './login' } })
      t.notMatch(JSON.stringify([error.message, error.fields, error.next]), /secret/)
    })
  }

  await t.test('that does not exist is named', async t => {
    const { access } = await reader(t, { user: { exec: { command: 'no-such-command' } }, options: { allowExec: true } })
    await t.rejects(read(access), { message: /failed/, fields: { command: 'no-such-command', reason: 'ENOENT' } })
  })

  await t.test('that does not end is ended, by the clock and by an abort', async t => {
    const { access, clock } = await withCommand(t, 'exec sleep 1000')
    const late = t.rejects(read(access), { message: /failed/, fields: { reason: 'did not end in time' } })
    while (clock.pending === 0) await new Promise(resolve => setImmediate(resolve))
    await clock.advance(30_000)
    await late
    const stop = new AbortController()
    const aborted = t.rejects(access.read(stop.signal))
    while (clock.pending === 0) await new Promise(resolve => setImmediate(resolve))
    stop.abort()
    await aborted
    t.equal(clock.pending, 0)
  })
})
