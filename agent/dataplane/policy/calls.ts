import type { PolicyCall, PolicyRequest } from '../../../mesh/policy/call.ts'
import { isServerFirst } from '../detect/server-first.ts'
import type { InboundPeer } from '../hbone/inbound-requests.ts'
import type { LocalTarget, Table } from '../table.ts'

/** Who asks, as policies see it. */
export type PolicyPeer = Pick<InboundPeer, 'principal' | 'ip' | 'serverName'>

/** A call to a port of this host, as its policies are asked about it. */
export function policyCall(peer: PolicyPeer, target: LocalTarget, request: PolicyRequest | undefined): PolicyCall {
  return {
    peer: peer.principal,
    sourceIp: peer.ip,
    destinationIp: target.workload.address,
    destinationPort: target.port.port,
    sni: peer.serverName,
    request,
  }
}

/** Whether connections to the port are judged as such: nobody looks for requests in them. */
export function carriesBytes({ port }: LocalTarget): boolean {
  return port.protocol === 'tcp' || port.protocol === 'tls'
}

/**
 * Whether nobody passes before it is told that there are no requests in what he sends: the port does not say what it
 * carries, and tokens are asked for. Who is silent at first, or begins slowly, would send requests unseen.
 */
export function mustTellRequests({ port, policy }: LocalTarget): boolean {
  return port.protocol === 'auto' && !isServerFirst(port.port) && policy.prepared.asksForTokens
}

/** Why a connection is refused to a port that is to carry requests. */
export function notHttp({ port: { port, protocol } }: LocalTarget): string {
  if (protocol !== 'auto') return `port ${port} is declared ${protocol}`
  return `port ${port} declares no protocol, its tokens are checked, and it cannot be told what is sent: declare it`
}

/**
 * The target with the policies that are in force now: a caller may have been accepted long ago. One that is not declared
 * any more keeps those it had.
 */
export function withPolicyOf(table: Table | undefined, target: LocalTarget): LocalTarget {
  const current = table?.local.get(target.authority)
  return current === undefined || current.policy === target.policy ? target : { ...target, policy: current.policy }
}
