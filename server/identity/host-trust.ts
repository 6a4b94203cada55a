import type { CertificateOfHost } from '../../mesh/wire/messages.ts'

/** What hosts have said about their trust since this server started; what they held before, they say when they connect. */
export interface HostTrust {
  /** The node has this trust resource in use (its hash). */
  holds(node: string, hash: string): void
  /** The node presents these certificates; undefined from an agent that does not say. */
  presents(node: string, certificates: readonly CertificateOfHost[] | undefined): void
  /** Hash of the trust resource that the node has in use, as far as it is known. */
  heldBy(node: string): string | undefined
  /** What the node presents, as far as it is known. */
  presentedBy(node: string): readonly CertificateOfHost[] | undefined
}

/** Remembers the last word of every node. */
export function createHostTrust(): HostTrust {
  const held = new Map<string, string>()
  const presented = new Map<string, readonly CertificateOfHost[]>()
  return {
    holds: (node, hash) => void held.set(node, hash),
    presents(node, certificates) {
      if (certificates === undefined) presented.delete(node)
      else presented.set(node, certificates)
    },
    heldBy: node => held.get(node),
    presentedBy: node => presented.get(node),
  }
}
