import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Subject } from '../types.ts'
import { inboundPort, outboundListener, startPair } from './pair.ts'

/**
 * HAProxy in tcp mode, one thread. It checks the certificate chain; this version cannot check a URI name. Sessions are
 * not resumed: each connection proves both identities.
 */
export const haproxy: Subject = {
  name: 'haproxy-tcp',
  start({ hosts, backend, certificates, directory }) {
    const tls = `ca-file ${certificates}/ca.pem ciphersuites TLS_AES_128_GCM_SHA256 ssl-min-ver TLSv1.3 verify required`
    const upstream = `ssl crt ${certificates}/a.both.pem ${tls} no-ssl-reuse`
    const outbound = config(
      `bind ${outboundListener.address}:${outboundListener.port}`,
      `server up ${backend.address}:${inboundPort} ${upstream}`,
    )
    const inbound = config(
      `bind ${backend.address}:${inboundPort} ssl crt ${certificates}/b.both.pem ${tls} no-tls-tickets`,
      `server up ${backend.address}:${backend.port}`,
    )
    const command = (name: string, text: string) => {
      const file = join(directory, `${name}.cfg`)
      writeFileSync(file, text)
      return { file: 'haproxy', args: ['-db', '-f', file] }
    }
    return startPair(hosts, directory, { outbound: command('out', outbound), inbound: command('in', inbound) })
  },
}

function config(bind: string, server: string): string {
  return `global
  nbthread 1
  maxconn 4000
defaults
  mode tcp
  timeout connect 5s
  timeout client 60s
  timeout server 60s
listen l
  ${bind}
  ${server}
`
}
