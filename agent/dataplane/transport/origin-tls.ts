import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls'
import type { UpstreamTlsSettings } from '../../../mesh/routing/cluster.ts'
import { describeError } from '../../../mesh/std/errors.ts'

/** How an endpoint outside the mesh is spoken to; `unusable` when a named file cannot be read. */
export type OriginTls =
  | { readonly kind: 'plain'; readonly tls: undefined }
  | { readonly kind: 'tls'; readonly tls: ConnectionOptions }
  | { readonly kind: 'unusable'; readonly why: string }

/**
 * TLS origination (DestinationRule `tls`: SIMPLE, MUTUAL). Files are read when a connection is made, so that renewed ones
 * are used from then on. Without `caCertificates` the system's roots are believed; the certificate must be for one of
 * `subjectAltNames`, else for `sni`.
 */
export function originTls(settings: UpstreamTlsSettings, http2: boolean): OriginTls {
  const { mode, sni, caCertificates, clientCertificate, privateKey, insecureSkipVerify } = settings
  if (mode !== 'simple' && mode !== 'mutual') return { kind: 'plain', tls: undefined }
  if (sni === '' && settings.subjectAltNames.length === 0 && !insecureSkipVerify) {
    return {
      kind: 'unusable',
      why: 'the DestinationRule names neither sni nor subjectAltNames: whom to expect is not known',
    }
  }
  try {
    const tls: ConnectionOptions = {
      ALPNProtocols: http2 ? ['h2'] : ['http/1.1'],
      rejectUnauthorized: !insecureSkipVerify,
      ...(sni === '' || isIP(sni) > 0 ? {} : { servername: sni }),
      ...(caCertificates === '' || caCertificates === 'system' ? {} : { ca: readFileSync(caCertificates) }),
      ...(mode === 'mutual' ? { cert: readFileSync(clientCertificate), key: readFileSync(privateKey) } : {}),
      checkServerIdentity: (host, certificate) => checkNames(settings, host, certificate),
    }
    return { kind: 'tls', tls }
  } catch (error) {
    return { kind: 'unusable', why: describeError(error) }
  }
}

function checkNames({ subjectAltNames, sni }: UpstreamTlsSettings, host: string, certificate: PeerCertificate) {
  if (subjectAltNames.length === 0) return checkServerIdentity(sni === '' ? host : sni, certificate)
  const names = (certificate.subjectaltname ?? '').split(', ').map(name => name.replace(/^(?:DNS|URI|IP Address):/, ''))
  const found = subjectAltNames.some(wanted => names.includes(wanted))
  return found ? undefined : new Error(`the certificate is for ${names.join(', ')}`)
}
