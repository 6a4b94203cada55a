import type { Config, SidecarSpec } from '../model/traffic.ts'
import { canonicalAddress } from '../std/ip-address.ts'

/** An address and port of the caller's host that callers connect to themselves, not by interception. */
export interface BoundListener {
  readonly address: string
  readonly port: number
}

type Egress = NonNullable<SidecarSpec['egress']>[number]

/** The listener that an `egress` of a Sidecar asks for by `captureMode: NONE`; undefined for one that is intercepted. */
export function boundListenerOf({ captureMode, bind, port }: Egress): BoundListener | undefined {
  if (captureMode !== 'NONE' || port?.number === undefined) return undefined
  return { address: canonicalAddress(bind ?? '') ?? '127.0.0.1', port: port.number }
}

export function boundListenersOf(sidecar: Config<SidecarSpec> | undefined): readonly BoundListener[] {
  return (sidecar?.spec.egress ?? []).flatMap(egress => boundListenerOf(egress) ?? [])
}
