import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { join } from 'node:path'
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from 'node:tls'
import type { UpstreamTlsSettings } from '../../../mesh/routing/cluster.ts'
import { describeError } from '../../../mesh/std/errors.ts'

export const defaultCredentialDirectory = '/etc/weft/credentials'

/** How an endpoint outside the mesh is spoken to; `unusable` when a named file cannot be read. */
export type OriginTls =
  | { readonly kind: 'plain'; readonly tls: undefined }
  | { readonly kind: 'tls'; readonly tls: ConnectionOptions }
  | { readonly kind: 'unusable'; readonly why: string }

/**
 * TLS origination (DestinationRule `tls`: SIMPLE, MUTUAL). Files are read when a connection is made, so that renewed ones
 * are used from then on; those of a named credential are below `credentialDirectory`. Without `caCertificates` the
 * system's roots are believed; the certificate must be for one of `subjectAltNames`, else for `sni`.
 */
export function originTls(
  settings: UpstreamTlsSettings,
  speaks: 'h2' | 'http/1.1' | 'bytes',
  credentialDirectory: string,
): OriginTls {
  const { mode, sni, insecureSkipVerify } = settings
  if (mode !== 'simple' && mode !== 'mutual') return { kind: 'plain', tls: undefined }
  if (sni === '' && settings.subjectAltNames.length === 0 && !insecureSkipVerify) {
    return {
      kind: 'unusable',
      why: 'the DestinationRule names neither sni nor subjectAltNames: whom to expect is not known',
    }
  }
  const { ca, crl, cert, key } = filesOf(settings, credentialDirectory)
  try {
    const tls: ConnectionOptions = {
      ...(speaks === 'bytes' ? {} : { ALPNProtocols: [speaks] }),
      rejectUnauthorized: !insecureSkipVerify,
      ...(sni === '' || isIP(sni) > 0 ? {} : { servername: sni }),
      ...(ca === '' || ca === 'system' ? {} : { ca: readFileSync(ca) }),
      ...(crl === '' ? {} : { crl: readFileSync(crl) }),
      ...(mode === 'mutual' ? { cert: readFileSync(cert), key: readFileSync(key) } : {}),
      checkServerIdentity: (host, certificate) => checkNames(settings, host, certificate),
    }
    return { kind: 'tls', tls }
  } catch (error) {
    return { kind: 'unusable', why: describeError(error) }
  }
}

/** Paths of the files; empty where there is none. */
function filesOf(settings: UpstreamTlsSettings, credentialDirectory: string) {
  const { credential, insecureSkipVerify, caCertificates: ca, caCrl: crl, clientCertificate, privateKey } = settings
  if (credential === '') return { ca, crl, cert: clientCertificate, key: privateKey }
  const path = (name: string) => join(credentialDirectory, credential, name)
  // A credential says whom to believe: the system's roots are no substitute for a file that is not there.
  return { ca: insecureSkipVerify ? '' : path('ca.crt'), crl: '', cert: path('tls.crt'), key: path('tls.key') }
}

function checkNames({ subjectAltNames, sni }: UpstreamTlsSettings, host: string, certificate: PeerCertificate) {
  if (subjectAltNames.length === 0) return checkServerIdentity(sni === '' ? host : sni, certificate)
  const text = certificate.subjectaltname ?? ''
  // Names with commas and the like stand in quotes there: cut at commas, they could pass for others.
  if (text.includes('"')) return new Error(`the certificate has names that cannot be told apart: ${text}`)
  const names = text.split(', ').map(name => name.replace(/^(?:DNS|URI|IP Address):/, ''))
  const found = subjectAltNames.some(wanted => names.includes(wanted))
  return found ? undefined : new Error(`the certificate is for ${names.join(', ')}`)
}
