import type { TLSSocket } from 'node:tls'
import { verifyChain } from '../../../mesh/identity/verify.ts'
import type { TrustResource } from '../../../mesh/model/agent-config.ts'

/** Longest chain that a peer can have shown and been believed. */
const maxChain = 4

/** Whether the chain that the peer showed in its handshake would be believed by this bundle, at `now` (since 1970). */
export function stillTrusted(socket: TLSSocket, trust: TrustResource | undefined, now: number): boolean {
  if (trust === undefined) return false
  const chain: Buffer[] = []
  let certificate = socket.getPeerX509Certificate()
  while (certificate !== undefined && chain.length < maxChain) {
    chain.push(certificate.raw)
    certificate = certificate.issuerCertificate
  }
  try {
    verifyChain({ chain, roots: trust.roots, trustDomain: trust.trustDomain, now })
    return true
  } catch {
    return false
  }
}
