import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Host } from '../netns/host.ts'
import { largeBody, smallBody } from './scenarios.ts'
import type { Address } from './types.ts'

/** Starts nginx as the service behind all subjects: one worker, a small and a large body, no log; HTTP/1.1 on one port, HTTP/2 without TLS on another. */
export async function startBackend(
  host: Host,
  { http1, http2 }: { readonly http1: Address; readonly http2: Address },
  directory: string,
): Promise<void> {
  const home = join(directory, 'backend')
  mkdirSync(home)
  writeFileSync(join(home, 'large'), Buffer.alloc(largeBody.bytes, 'weft '))
  const config = join(home, 'nginx.conf')
  writeFileSync(
    config,
    `daemon off; user root; worker_processes 1; pid ${home}/pid; error_log ${home}/error.log;
events { worker_connections 8192; }
http {
  access_log off; http2_max_concurrent_streams 1000; sendfile on; tcp_nopush off; tcp_nodelay on; keepalive_requests 1000000000; keepalive_timeout 600s;
  server {
    listen ${http1.address}:${http1.port} backlog=8192;
    listen ${http2.address}:${http2.port} http2 backlog=8192;
    location = ${smallBody.path} { return 200 "${'x'.repeat(smallBody.bytes)}"; }
    location = ${largeBody.path} { alias ${home}/large; }
  }
}
`,
  )
  host.spawn('nginx', ['-c', config])
  const url = `http://${http1.address}:${http1.port}${smallBody.path}`
  await host.must('curl', ['-sf', '-o', '/dev/null', '--retry', '50', '--retry-connrefused', '--retry-delay', '0', url])
}
