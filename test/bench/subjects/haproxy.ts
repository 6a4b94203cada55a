import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { BenchSetup, RunningSubject, Subject } from '../types.ts'
import { inboundPort, outboundListener, type Speaks, startPair } from './pair.ts'

/**
 * HAProxy in tcp mode, one thread. It checks the certificate chain; this version cannot check a URI name. Sessions are
 * not resumed: each connection proves both identities.
 */
export const haproxy: Subject = {
  name: 'haproxy-tcp',
  start: bench => startHaproxy(bench, 'tcp'),
}

/** HAProxy in http mode: it parses and writes requests, keeps connections, and does nothing else. */
export function haproxyHttp(speaks: Speaks): Subject {
  return { name: 'haproxy-http', start: bench => startHaproxy(bench, speaks) }
}

function startHaproxy(
  { hosts, backend, certificates, directory }: BenchSetup,
  speaks: 'tcp' | Speaks,
): Promise<RunningSubject> {
  const tls = `ca-file ${certificates}/ca.pem ciphersuites TLS_AES_128_GCM_SHA256 ssl-min-ver TLSv1.3 verify required`
  const upstream = `ssl crt ${certificates}/a.both.pem ${tls} no-ssl-reuse`
  const mode = speaks === 'tcp' ? 'tcp' : 'http'
  const [plain, tls2] = speaks === 'http2' ? [' proto h2', ' alpn h2'] : ['', '']
  const outbound = config(
    mode,
    `bind ${outboundListener.address}:${outboundListener.port}${plain}`,
    `server up ${backend.address}:${inboundPort} ${upstream}${tls2}`,
  )
  const inbound = config(
    mode,
    `bind ${backend.address}:${inboundPort} ssl crt ${certificates}/b.both.pem ${tls} no-tls-tickets${tls2}`,
    `server up ${backend.address}:${backend.port}${plain}`,
  )
  const command = (name: string, text: string) => {
    const file = join(directory, `${name}.cfg`)
    writeFileSync(file, text)
    return { file: 'haproxy', args: ['-db', '-f', file] }
  }
  return startPair(
    hosts,
    directory,
    { outbound: command('out', outbound), inbound: command('in', inbound) },
    speaks === 'http2' ? 'http2' : 'http1',
  )
}

function config(mode: 'tcp' | 'http', bind: string, server: string): string {
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode ${mode}
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen l
  ${bind}
  ${server}
`
}
