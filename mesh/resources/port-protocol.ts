import type { Protocol } from '../model/service.ts'

/** Istio's words for protocols (pkg/config/protocol). What Weft does not look into is opaque bytes. */
const byWord: Readonly<Record<string, Protocol>> = {
  tcp: 'tcp',
  udp: 'tcp',
  mongo: 'tcp',
  mysql: 'tcp',
  redis: 'tcp',
  http_proxy: 'tcp',
  tls: 'tls',
  https: 'tls',
  http: 'http',
  http2: 'http2',
  grpc: 'grpc',
  'grpc-web': 'grpc',
}

/**
 * Ports of protocols in which the server may speak first, or that carry no HTTP for certain: waiting for the client's
 * first bytes would break them, so what declares nothing is opaque there (Istio's and Linkerd's lists together).
 */
const opaquePorts: ReadonlySet<number> = new Set([25, 53, 587, 3306, 4444, 5432, 6379, 9300, 11211, 27017])

/**
 * The protocol declared in Istio's words, in any case; for a word that says nothing to Weft that of a port which
 * declares nothing.
 */
export function declaredProtocol(text: string, port: number): Protocol {
  const word = text.toLowerCase()
  return (Object.hasOwn(byWord, word) ? byWord[word] : undefined) ?? undeclaredProtocol(port)
}

/** The protocol a port's name says by its first word, `http` or `http-admin` (Istio's rule); else {@link undeclaredProtocol}. */
export function protocolFromName(name: string, port: number): Protocol {
  const isGrpcWeb = /^grpc-web(?:-|$)/i.test(name)
  return declaredProtocol(isGrpcWeb ? 'grpc-web' : (name.split('-', 1)[0] ?? ''), port)
}

/** What a port speaks of which nobody says it: to be found out, save where looking would break it. */
export function undeclaredProtocol(port: number): Protocol {
  return opaquePorts.has(port) ? 'tcp' : 'auto'
}
