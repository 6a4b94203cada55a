import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import { callerAndServices, curled, httpOrigin, nothingOpen, web } from './http-mesh.ts'
import { createMesh } from './mesh.ts'
import { logged } from './mesh-probe.ts'
import { testBytes } from './programs/test-bytes.ts'

t.setTimeout(240_000)

// Large bodies, and bodies that do not come to their end, with an HTTP/1.1 and an HTTP/2 server on `b`.
const mesh = await createMesh(t, {
  hosts: ['a', 'b'],
  files: hosts => callerAndServices(hosts, { api: { http: [80, 8001], 'http2-two': [81, 8002] } }),
})
const { a, b } = mesh.hosts
const origin = await httpOrigin(b, ['8001', '2:8002'])
const one = 'http://api.default.mesh'
const two = 'http://api.default.mesh:81'
const gib = 1 << 30
const mib = 1 << 20
/** How curl ends: the connection was reset, or the stream. */
const connectionReset = 56
const streamReset = 92
/** What an agent may grow by while a body of any size passes. */
const growthBytes = 64 * mib

const file = join(mesh.directory, 'body')
writeFileSync(file, testBytes(100_000), { mode: 0o644 })

// Whatever a test does, nothing of it stays open.
t.afterEach(() => nothingOpen(mesh, 'a', 'b'))

const resident = (name: 'a' | 'b') => {
  const [, kib] = /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${mesh.agents[name].process.pid}/status`, 'utf8')) ?? []
  return Number(kib) * 1024
}

/** The most that either agent grows by while `run` goes on. */
async function growth(run: () => Promise<unknown>): Promise<number> {
  const before = { a: resident('a'), b: resident('b') }
  let most = 0
  const timer = setInterval(() => {
    most = Math.max(most, resident('a') - before.a, resident('b') - before.b)
  }, 50)
  try {
    await run()
  } finally {
    clearInterval(timer)
  }
  return most
}

const status = ['-o', '/dev/null', '--max-time', '120', '-w', '%{http_code} %{size_download}']

t.test('1 GiB passes each way, and neither agent grows with it', async t => {
  // what grows in the beginning whatever is carried is not what is measured
  await curled(a, [...status, `${one}/bytes/${64 * mib}`])
  const down = await growth(async () =>
    t.equal((await curled(a, [...status, `${one}/bytes/${gib}`])).stdout, `200 ${gib}`),
  )
  t.ok(down < growthBytes, `download: ${Math.round(down / mib)} MiB`)
  const up = await growth(async () => {
    const upload = `head -c ${gib} /dev/zero | curl -sS --max-time 120 -T - ${one}/sum | cut -d ' ' -f 1`
    t.equal((await a.must('sh', ['-c', upload], { ...web, timeoutMs: 120_000 })).trim(), String(gib))
  })
  t.ok(up < growthBytes, `upload: ${Math.round(up / mib)} MiB`)
})

t.test('a reader that does not read holds the writer back, in either direction and version', async t => {
  for (const [base, version] of [
    [one, '--http1.1'],
    [two, '--http2-prior-knowledge'],
  ] as const) {
    const before = origin.lines('broken off').length
    const began = origin.lines('began').length
    const grown = await growth(async () => {
      const slow = a.spawn(
        'curl',
        ['-sS', version, '--limit-rate', '10k', '-o', '/dev/null', `${base}/chunked/${gib}`],
        web,
      )
      await until('the server writes', () => origin.lines('began').length > began)
      await stands(() => passed('a'))
      await slow.kill()
    })
    t.ok(grown < growthBytes, `${version}: ${Math.round(grown / mib)} MiB`)
    await until('the server hears that nobody reads any more', () => origin.lines('broken off').length > before)
    const wrote = Number(origin.lines('broken off').at(-1)?.split(' ').at(-1))
    t.ok(wrote < 64 * mib, `the server could write ${Math.round(wrote / mib)} MiB`)
  }
  for (const base of [one, two]) {
    const waiting = origin.lines('waits').length
    let slow: ReturnType<typeof a.spawn> | undefined
    const grown = await growth(async () => {
      slow = a.spawn('sh', ['-c', `head -c ${256 * mib} /dev/zero | curl -sS -T - ${base}/late`], web)
      await until('the server has the head', () => origin.lines('waits').length > waiting)
      await stands(() => passed('a'))
    })
    t.ok(grown < growthBytes, `${base}: ${Math.round(grown / mib)} MiB`)
    origin.write('go\n')
    t.equal(await slow?.exited, 0)
    t.match(slow?.output.stdout, new RegExp(`^${256 * mib} `), 'all of it arrives when it is read at last')
  }
})

t.test('a body that breaks off is never a whole one for the caller', async t => {
  const cases = [
    ['--http1.1', `${one}/short/100000`, connectionReset],
    ['--http1.1', `${one}/broken/100000`, connectionReset],
    ['--http1.1', `${two}/short/100000`, connectionReset],
    ['--http1.1', `${two}/broken/100000`, connectionReset],
    ['--http2-prior-knowledge', `${one}/short/100000`, streamReset],
    ['--http2-prior-knowledge', `${one}/broken/100000`, streamReset],
    ['--http2-prior-knowledge', `${two}/broken/100000`, streamReset],
    // it knows no other end than the connection's, which must not be a clean one
    ['--http1.0', `${one}/broken/100000`, connectionReset],
  ] as const
  for (const [version, url, code] of cases) {
    const { code: ended, stderr } = await curled(a, [version, '-o', '/dev/null', url])
    t.equal(ended, code, `${version} ${url}: ${stderr.trim()}`)
    await logged(mesh, 'a', { path: new URL(url).pathname, weft_reason: 'UPSTREAM_RESET', response_flags: 'UC' })
  }
})

t.test('an upload that breaks off is never a whole one for the server', async t => {
  for (const [base, version] of [
    [one, '--http1.1'],
    [two, '--http1.1'],
    [one, '--http2-prior-knowledge'],
    [two, '--http2-prior-knowledge'],
  ] as const) {
    for (const framing of ['Content-Length: 100000', 'Transfer-Encoding: chunked']) {
      const began = origin.lines('began').length
      const client = a.spawn(
        'curl',
        ['-sS', version, '-H', framing, '--limit-rate', '1k', '-T', file, `${base}/sum`],
        web,
      )
      await until('the server has the head', () => origin.lines('began').length > began)
      const [, number] = /^began (\d+)/.exec(origin.lines('began').at(-1) ?? '') ?? []
      await client.kill()
      await until(
        `the server hears of it: ${version} ${base} ${framing}`,
        () => origin.lines(`aborted ${number} `).length === 1,
      )
    }
  }
  t.ok(await logged(mesh, 'a', { weft_reason: 'CLIENT_RESET', response_flags: 'DC' }))
})

t.test('a server that is killed in the middle of its answers leaves errors and nothing open', async t => {
  const began = origin.lines('began').length
  const clients = [one, two].flatMap(base =>
    ['--http1.1', '--http2-prior-knowledge'].map(version =>
      a.spawn('curl', ['-sS', version, '--limit-rate', '2M', '-o', '/dev/null', `${base}/chunked/${gib}`], web),
    ),
  )
  await until('all have begun', () => origin.lines('began').length === began + clients.length)
  await origin.kill()
  const codes = await Promise.all(clients.map(client => client.exited))
  t.same(codes, [connectionReset, streamReset, connectionReset, streamReset])
  t.match(await curled(a, ['-o', '/dev/null', '-w', '%{http_code}', `${one}/facts`]), { stdout: '503' })
  const line = await logged(mesh, 'b', { weft_reason: 'LOCAL_CONNECT' })
  t.match(line, { response_code: 503, response_flags: 'UF' })
})

/** Bytes that an agent has carried so far, by its own process's account with the kernel. */
function passed(name: 'a' | 'b'): number {
  const [, read] = /^rchar: (\d+)/m.exec(readFileSync(`/proc/${mesh.agents[name].process.pid}/io`, 'utf8')) ?? []
  return Number(read)
}

/** Waits until a count has not gone up by 64 KiB between any two of several looks. */
async function stands(count: () => number): Promise<void> {
  let before = 0
  let looks = 0
  await until('nothing more moves', async () => {
    const now = count()
    looks = now - before < 64 * 1024 ? looks + 1 : 0
    before = now
    return looks === 8
  })
}
