import type { Protocol } from '../model/service.ts'
import type { Config, ConnectionPoolSpec, SidecarSpec } from '../model/traffic.ts'
import { declaredProtocol } from '../resources/port-protocol.ts'

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
  readonly connectionPool: ConnectionPoolSpec | undefined
}

/** The longest path that the kernel takes for a socket, in bytes (unix(7)). */
const maxSocketPath = 107

/** The `ingress` of a Sidecar by port number; validation has seen to it that no port is named twice. */
export function ingressOf(sidecar: Config<SidecarSpec> | undefined): ReadonlyMap<number, Ingress> {
  const found = new Map<number, Ingress>()
  for (const { port, defaultEndpoint = '', connectionPool } of sidecar?.spec.ingress ?? []) {
    const number = port?.number ?? 0
    const protocol = port?.protocol ? declaredProtocol(port.protocol, number) : undefined
    const endpoint: IngressEndpoint | undefined =
      defaultEndpoint === '' ? { kind: 'workload', port: number } : parseDefaultEndpoint(defaultEndpoint)
    found.set(number, { protocol, endpoint, connectionPool })
  }
  return found
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
