import type { Protocol } from '../model/service.ts'

const byName: Readonly<Record<string, Protocol>> = {
  tcp: 'tcp',
  tls: 'tls',
  https: 'tls',
  http: 'http',
  http2: 'http2',
  grpc: 'grpc',
}

/** The protocol declared in Istio's words, in any case; opaque bytes for a word that says nothing to Weft. */
export function declaredProtocol(text: string): Protocol {
  const word = text.toLowerCase()
  return (Object.hasOwn(byName, word) ? byName[word] : undefined) ?? 'tcp'
}

/** The protocol a port's name says by its first word, `http` or `http-admin` (Istio's rule); else opaque bytes. */
export function protocolFromName(name: string): Protocol {
  return declaredProtocol(name.split('-', 1)[0] ?? '')
}
