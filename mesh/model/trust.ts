/**
 * Whom to believe, as server and agents know it. Keys, and roots on their way out, are named by the
 * SHA-256 of their public key (SPKI), hex. What is optional is absent when there is none of it.
 */
export interface Trust {
  readonly trustDomain: string
  /** Grows with every change, and never goes backwards. */
  readonly sequence: number
  /** Root certificates, PEM. No roots means nobody is believed; it never means everybody. */
  readonly roots: readonly string[]
  /** Roots that are about to go: certificates below them are still believed, and whoever holds one renews it now. */
  readonly tainted?: readonly string[]
  /** Within how many milliseconds those renewals are spread. */
  readonly renewWithinMs?: number
  /**
   * Root certificates, PEM, that have gone in good order: what is open under them may go on until its certificates
   * end; nothing new is accepted.
   */
  readonly retired?: readonly string[]
  /** SPIFFE ids that nobody may have a connection with, whatever their certificates say. */
  readonly bannedIdentities?: readonly string[]
  /** Keys that nobody may have a connection with. */
  readonly bannedKeys?: readonly string[]
}

/** Only the fields of {@link Trust}, in one order, so that two can be compared and one can be saved. */
export function trustOf(trust: Trust): Trust {
  const { trustDomain, sequence, roots, tainted = [], renewWithinMs, retired = [] } = trust
  const { bannedIdentities = [], bannedKeys = [] } = trust
  return {
    trustDomain,
    sequence,
    roots,
    ...(tainted.length > 0 && { tainted }),
    ...(tainted.length > 0 && renewWithinMs !== undefined && renewWithinMs > 0 && { renewWithinMs }),
    ...(retired.length > 0 && { retired }),
    ...(bannedIdentities.length > 0 && { bannedIdentities }),
    ...(bannedKeys.length > 0 && { bannedKeys }),
  }
}
