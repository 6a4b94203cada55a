import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Subject } from '../types.ts'
import { inboundPort, outboundListener, startPair } from './pair.ts'

/**
 * nginx's stream module, one worker. Its client side can only verify a server together with a DNS name, which mesh
 * certificates do not carry, so it does not; its server side verifies the chain. Sessions are not resumed.
 */
export const nginx: Subject = {
  name: 'nginx-stream',
  start({ hosts, backend, certificates, directory }) {
    const outbound = `listen ${outboundListener.address}:${outboundListener.port} backlog=8192;
    proxy_pass ${backend.address}:${inboundPort};
    proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_ssl_session_reuse off; proxy_ssl_verify off;
    proxy_ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
    proxy_ssl_certificate ${certificates}/a.pem; proxy_ssl_certificate_key ${certificates}/a.key;`
    const inbound = `listen ${backend.address}:${inboundPort} ssl backlog=8192;
    proxy_pass ${backend.address}:${backend.port};
    ssl_protocols TLSv1.3; ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256; ssl_session_tickets off;
    ssl_certificate ${certificates}/b.pem; ssl_certificate_key ${certificates}/b.key;
    ssl_verify_client on; ssl_verify_depth 2; ssl_client_certificate ${certificates}/ca.pem;`
    const command = (name: string, server: string) => {
      const file = join(directory, `${name}.conf`)
      writeFileSync(file, config(join(directory, name), server))
      return { file: 'nginx', args: ['-c', file] }
    }
    return startPair(hosts, directory, { outbound: command('out', outbound), inbound: command('in', inbound) })
  },
}

/** The Debian package keeps the stream module in a file of its own. */
function config(prefix: string, server: string): string {
  return `load_module /usr/lib/nginx/modules/ngx_stream_module.so;
daemon off; user root; worker_processes 1; pid ${prefix}.pid; error_log ${prefix}.log;
events { worker_connections 8192; }
stream {
  tcp_nodelay on; proxy_buffer_size 16k;
  server {
    ${server}
  }
}
`
}
