import type { MtlsMode } from '../../mesh/model/agent-config.ts'
import type { Trust } from '../../mesh/model/trust.ts'
import type { Workload } from '../../mesh/model/workload.ts'

/** What compiling needs to know beside catalogue and resources; the same for all agents. */
export interface CompileSettings {
  readonly trustDomain: string
  readonly dnsDomain: string
  /** Namespace whose resources hold for the whole mesh. */
  readonly rootNamespace: string
  readonly virtualIpRanges: readonly string[]
  /** `<namespace>/<service-account>` for callers that belong to no workload. */
  readonly defaultIdentity?: string
  /** Whom agents are to believe. */
  readonly trust: Omit<Trust, 'trustDomain'>
}

/** Whether something trustworthy places the identity, `<namespace>/<service-account>`, on the node. */
export type MayHold = (node: string, identity: string) => boolean

/** The key set of a `jwksUri`, or of an issuer without one, as text; undefined while there is none. */
export type KeysOf = (uri: string, kind: 'jwks' | 'issuer') => string | undefined

/** What plaintext may do at a port of a workload, and who says so. */
export type MtlsVerdict = (
  workload: Workload,
  port: number,
) => {
  readonly mode: MtlsMode
  readonly from: string
  /** What it would be with the policies that are only tried; absent when the same. */
  readonly dryRun?: { readonly mode: MtlsMode; readonly from: string }
}
