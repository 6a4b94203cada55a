import type { Protocol } from '../model/service.ts'
import type { Config, ConnectionPoolSpec, ServerTlsSpec, SidecarSpec } from '../model/traffic.ts'
import { declaredProtocol } from '../resources/port-protocol.ts'
import { canonicalAddress } from '../std/ip-address.ts'

/** Where what arrives for a port is delivered: at the workload's own address, at loopback, or at a unix socket. */
export type IngressEndpoint =
  | { readonly kind: 'workload'; readonly port: number }
  | { readonly kind: 'loopback'; readonly address: '127.0.0.1' | '::1'; readonly port: number }
  | { readonly kind: 'socket'; readonly path: string }

/** What a Sidecar's `ingress` says of one port. */
export interface Ingress {
  /** What the process behind it speaks; undefined leaves what the service declares. */
  readonly protocol: Protocol | undefined
  /** Undefined is one that cannot be used: nothing may be delivered then. */
  readonly endpoint: IngressEndpoint | undefined
  /** The one address that the port is at; undefined for the workload's own. */
  readonly bind: string | undefined
  readonly connectionPool: ConnectionPoolSpec | undefined
  /** TLS of callers outside the mesh that ends before the process; undefined where it gets what comes. */
  readonly tls: ServerTls | undefined
}

/** How a port speaks TLS; paths of PEM files, empty for none. */
export interface ServerTls {
  /** Whether callers have to show a certificate, and those that show one have to be believed. */
  readonly callers: 'any' | 'known' | 'any-or-known'
  readonly serverCertificate: string
  readonly privateKey: string
  readonly caCertificates: string
  readonly caCrl: string
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | 'TLSv1.3'
  /** Names of OpenSSL, joined by colons; empty for the usual ones. */
  readonly ciphers: string
  /** Inside are requests; else bytes. */
  readonly carriesHttp: boolean
}

/** Addresses that stand for all. */
const anyAddress = new Set(['', '0.0.0.0', '::'])

/** The longest path that the kernel takes for a socket, in bytes (unix(7)). */
const maxSocketPath = 107

/** The `ingress` of a Sidecar by port number; validation has seen to it that no port is named twice. */
export function ingressOf(sidecar: Config<SidecarSpec> | undefined): ReadonlyMap<number, Ingress> {
  const found = new Map<number, Ingress>()
  for (const { port, defaultEndpoint = '', bind = '', connectionPool, tls } of sidecar?.spec.ingress ?? []) {
    const number = port?.number ?? 0
    const protocol = port?.protocol ? declaredProtocol(port.protocol, number) : undefined
    const endpoint: IngressEndpoint | undefined =
      defaultEndpoint === '' ? { kind: 'workload', port: number } : parseDefaultEndpoint(defaultEndpoint)
    const listener = { bind: anyAddress.has(bind) ? undefined : (canonicalAddress(bind) ?? bind), connectionPool }
    found.set(number, { protocol, endpoint, ...listener, tls: tls && serverTlsOf(tls, port?.protocol ?? '') })
  }
  return found
}

const modes = { SIMPLE: 'any', MUTUAL: 'known', OPTIONAL_MUTUAL: 'any-or-known' } as const

function serverTlsOf(spec: ServerTlsSpec, protocol: string): ServerTls | undefined {
  const { mode = 'PASSTHROUGH' } = spec
  if (mode === 'PASSTHROUGH') return undefined
  return {
    callers: modes[mode],
    serverCertificate: spec.serverCertificate ?? '',
    privateKey: spec.privateKey ?? '',
    caCertificates: mode === 'SIMPLE' ? '' : (spec.caCertificates ?? ''),
    caCrl: mode === 'SIMPLE' ? '' : (spec.caCrl ?? ''),
    minVersion: spec.minProtocolVersion === 'TLSV1_3' ? 'TLSv1.3' : 'TLSv1.2',
    maxVersion: spec.maxProtocolVersion === 'TLSV1_2' ? 'TLSv1.2' : 'TLSv1.3',
    ciphers: (spec.cipherSuites ?? []).join(':'),
    carriesHttp: protocol.toLowerCase() === 'https',
  }
}

/**
 * Reads a `defaultEndpoint` (networking.istio.io/v1 sidecar.proto, IstioIngressListener): `127.0.0.1:PORT`, `[::1]:PORT`,
 * `0.0.0.0:PORT`, `[::]:PORT` or `:PORT` for the workload's own address, or `unix:///path`; undefined for anything else.
 */
export function parseDefaultEndpoint(text: string): IngressEndpoint | undefined {
  if (text.startsWith('unix://')) return socketAt(text.slice('unix://'.length))
  const [, host = '', digits = ''] = /^(127\.0\.0\.1|\[::1\]|0\.0\.0\.0|\[::\]|):(\d{1,5})$/.exec(text) ?? []
  const port = Number(digits)
  if (port < 1 || port > 65_535) return undefined
  if (host === '127.0.0.1') return { kind: 'loopback', address: host, port }
  return host === '[::1]' ? { kind: 'loopback', address: '::1', port } : { kind: 'workload', port }
}

/** A path without detours, so that the directories it lies in are those it begins with. */
function socketAt(path: string): IngressEndpoint | undefined {
  const isPlain = /^(?:\/(?!\.{1,2}(?:\/|$))[^/\p{Cc}]+)+$/u.test(path)
  return isPlain && Buffer.byteLength(path) <= maxSocketPath ? { kind: 'socket', path } : undefined
}
