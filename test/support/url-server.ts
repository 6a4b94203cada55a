import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import https from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

export interface UrlServer {
  /** `http://127.0.0.1:<port>` or `https://localhost:<port>`. */
  readonly origin: string
  readonly port: number
  /** Targets asked for, in order. */
  readonly asked: readonly string[]
  answer: RequestListener
}

/** A real server on loopback; what it answers may be changed. */
export async function urlServer(t: Test, answer: RequestListener, certificate?: TestCertificate): Promise<UrlServer> {
  const asked: string[] = []
  const listen: RequestListener = (request, response) => {
    asked.push(request.url ?? '')
    served.answer(request, response)
  }
  const server: Server = certificate === undefined ? createServer(listen) : https.createServer(certificate, listen)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    server.close()
    server.closeAllConnections()
  })
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the server has no port')
  const { port } = address
  const origin = certificate === undefined ? `http://127.0.0.1:${port}` : `https://localhost:${port}`
  const served = { origin, port, asked, answer }
  return served
}

/** Answers everything with a text and a status. */
export function says(body: string, status = 200): RequestListener {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/json' }).end(body)
  }
}

export interface TestCertificate {
  readonly key: string
  readonly cert: string
}

/** A certificate for `localhost` that is its own authority, by openssl. */
export function localhostCertificate(t: Test): TestCertificate {
  const folder = mkdtempSync(join(tmpdir(), 'weft-url-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const [key, cert] = [join(folder, 'key.pem'), join(folder, 'cert.pem')]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '2']
  const names = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost']
  execFileSync('openssl', ['req', '-x509', ...kind, ...names, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { key: readFileSync(key, 'utf8'), cert: readFileSync(cert, 'utf8') }
}
