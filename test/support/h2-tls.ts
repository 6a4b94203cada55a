import type { TlsOptions } from 'node:tls'
import { createTestCa } from './certificates.ts'

/** Server options for TLS with ALPN `h2`, with a fresh certificate nobody else trusts. */
export function h2TlsOptions(): TlsOptions {
  const { pem, keys } = createTestCa('test.mesh').leaf('spiffe://test.mesh/ns/default/sa/h2')
  const key = keys.privateKey.export({ type: 'pkcs8', format: 'pem' })
  return { key, cert: pem, ALPNProtocols: ['h2'], minVersion: 'TLSv1.3' }
}
