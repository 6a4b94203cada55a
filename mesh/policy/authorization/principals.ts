import type { PolicyConfig } from '../../model/policy.ts'
import type { PeerPrincipal } from '../call.ts'

/** Writes a caller as policies do, `<trust domain>/ns/<namespace>/sa/<service account>`. */
export type PrincipalText = (peer: PeerPrincipal) => string

/** A caller is the same value for all of a connection: its text is made once and held as long as the caller is. */
export function createPrincipalText(): PrincipalText {
  const texts = new WeakMap<PeerPrincipal, string>()
  // all rules of a policy ask for the same one
  let last: PeerPrincipal | undefined
  let lastText = ''
  return peer => {
    if (peer === last) return lastText
    lastText = texts.get(peer) ?? textOf(peer)
    texts.set(peer, lastText)
    last = peer
    return lastText
  }
}

function textOf({ trustDomain, namespace, serviceAccount }: PeerPrincipal): string {
  // joined, not added: V8 compares a text that is made of parts much more slowly
  return [trustDomain, 'ns', namespace, 'sa', serviceAccount].join('/')
}

/**
 * The principals that a policy means. One that is written in full, in one of the mesh's own trust domains or in
 * `cluster.local`, which stands for them, holds in all of them (Istio's pkg/spiffe and trustdomain.Bundle); others are
 * what is written.
 */
export function inAllTrustDomains(
  principals: readonly string[],
  { trustDomain, trustDomainAliases }: Pick<PolicyConfig, 'trustDomain' | 'trustDomainAliases'>,
): readonly string[] {
  const own = [trustDomain, ...trustDomainAliases]
  return principals.flatMap(principal => {
    const [written = '', ...rest] = principal.split('/')
    if (rest.length !== 4) return [principal]
    if (written !== 'cluster.local' && !own.some(name => means(written, name))) return [principal]
    return own.map(name => (written.startsWith('*') && means(written, name) ? principal : [name, ...rest].join('/')))
  })
}

/** Whether the trust domain of a policy, which may begin or end with `*`, is meant to be this one. */
function means(written: string, name: string): boolean {
  if (written === name || written === '*') return true
  if (written.startsWith('*')) return name.endsWith(written.slice(1))
  return written.endsWith('*') && name.startsWith(written.slice(0, -1))
}
