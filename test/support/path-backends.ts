import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { until } from './eventually.ts'

/** A real server that says which path it takes a request for. */
export interface PathBackend {
  readonly name: string
  /** The path as the server sees it, decoded; undefined when it refuses the request. */
  see(target: string): Promise<string | undefined>
}

/** nginx, Python's http.server and node:http, on unix sockets; they are gone when the test ends. */
export async function startPathBackends(t: Test): Promise<readonly PathBackend[]> {
  const home = mkdtempSync(join(tmpdir(), 'weft-paths-'))
  const sockets = ['nginx', 'python', 'node'].map(name => ({ name, socket: join(home, name) }))
  const [nginx, python, node] = sockets.map(({ socket }) => socket)
  writeFileSync(
    join(home, 'nginx.conf'),
    `daemon off; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
events {}
http {
  access_log off; default_type application/octet-stream;
  server { listen unix:${nginx}; location / { return 200 $uri; } }
}
`,
  )
  const processes = [
    spawn('nginx', ['-e', join(home, 'error.log'), '-c', join(home, 'nginx.conf')], { stdio: 'inherit' }),
    spawn('python3', [join(import.meta.dirname, 'path-python.py'), python ?? ''], { stdio: 'inherit' }),
  ]
  const server = createServer((request, response) => {
    const path = nodePath(request.url ?? '')
    response.statusCode = path === undefined ? 400 : 200
    response.end(path)
  })
  server.listen(node)
  t.teardown(async () => {
    server.close()
    await Promise.all(processes.map(stop))
    rmSync(home, { recursive: true, force: true })
  })
  await until('all servers listen', () => sockets.every(({ socket }) => existsSync(socket)))
  return sockets.map(({ name, socket }) => ({ name, see: target => ask(socket, target) }))
}

/** What applications do with the target of a request; undefined for what they cannot decode. */
function nodePath(target: string): Buffer | undefined {
  try {
    return Buffer.from(decodeURIComponent(new URL(target, 'http://backend').pathname))
  } catch {
    return undefined
  }
}

async function ask(socket: string, target: string): Promise<string | undefined> {
  const connection = connect(socket)
  connection.end(`GET ${target} HTTP/1.0\r\nHost: backend\r\nConnection: close\r\n\r\n`, 'latin1')
  let answer = ''
  for await (const chunk of connection.setEncoding('utf8')) answer += String(chunk)
  const end = answer.indexOf('\r\n\r\n')
  return /^HTTP\/1\.[01] 200 /.test(answer) ? answer.slice(end + 4) : undefined
}

async function stop(process: ChildProcess): Promise<void> {
  if (process.exitCode !== null || process.signalCode !== null) return
  process.kill()
  await once(process, 'exit')
}
