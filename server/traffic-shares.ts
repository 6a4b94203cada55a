import { maxMergeWeight } from '../mesh/resources/service-merge.ts'
import { assertNever } from '../mesh/std/assert-never.ts'
import type { MergeRule } from './catalogue/merge-rules.ts'
import type { RegistryPart } from './registry-parts.ts'

/** Registry to its share of one service's traffic, relative to the others: whole numbers, not all 0. */
export type Shares = ReadonlyMap<string, number>

/** By how many percent of the traffic, or up to what percent, a registry's share grows. */
export type ShareMove =
  | { readonly kind: 'by'; readonly percent: number }
  | { readonly kind: 'to'; readonly percent: number }

/** How a rule shares out the traffic among the registries that know a service. */
export function sharesByRule(rule: MergeRule, parts: readonly RegistryPart[]): Shares {
  const [first] = parts
  const only = (registry: string | undefined): Shares => {
    return new Map(parts.map(part => [part.registry, part.registry === registry ? 100 : 0]))
  }
  switch (rule.kind) {
    case 'error':
      return only(first?.registry)
    case 'prefer':
      return only(parts.some(part => part.registry === rule.registry) ? rule.registry : first?.registry)
    case 'union': {
      const { weights } = rule
      if (weights === undefined) return inPercent(parts.map(part => [part.registry, part.weight]))
      // one that does not know the service, yet, keeps the share it was promised
      return new Map([...parts.map(({ registry }) => [registry, 0] as const), ...weights])
    }
    default:
      return assertNever(rule)
  }
}

/** A registry's share in percent, 0 to 100, not rounded. */
export function percentOf(shares: Shares, registry: string): number {
  const all = total(shares)
  return all === 0 ? 0 : ((shares.get(registry) ?? 0) * 100) / all
}

/**
 * Gives share of `from` to `to`, or back; what the others have stays exactly as it is. A step gives what is left when
 * `from` has less; undefined when `to` cannot have as much as it should.
 */
export function moveShare(shares: Shares, from: string, to: string, move: ShareMove): Shares | undefined {
  // in hundredths of the total every percentage is a whole number
  const exact = total(shares) * 100 <= maxMergeWeight ? shares : inPercent([...shares])
  const all = total(exact)
  const scaled = new Map([...exact].map(([registry, share]) => [registry, share * 100]))
  const giver = scaled.get(from) ?? 0
  const taker = scaled.get(to) ?? 0
  const moved = move.kind === 'by' ? Math.min(move.percent * all, giver) : move.percent * all - taker
  if (moved > giver || taker + moved < 0) return undefined
  return simplified(scaled.set(from, giver - moved).set(to, taker + moved))
}

/** The same shares in numbers that people like: of 100 where that is possible. */
function simplified(shares: Shares): Shares {
  const divisor = [...shares.values()].reduce(greatestCommonDivisor, 0)
  if (divisor === 0) return shares
  const parts = total(shares) / divisor
  const factor = (100 % parts === 0 ? 100 / parts : 1) / divisor
  return new Map([...shares].map(([registry, share]) => [registry, Math.round(share * factor)]))
}

/** Whole percents that add up to 100; who loses most by rounding down gets what is left over. */
function inPercent(weights: readonly (readonly [registry: string, weight: number])[]): Shares {
  const all = weights.reduce((sum, [, weight]) => sum + weight, 0)
  const exact = weights.map(([registry, weight]) => ({ registry, percent: all === 0 ? 0 : (weight * 100) / all }))
  const shares = new Map(exact.map(({ registry, percent }) => [registry, Math.floor(percent)]))
  const left = all === 0 ? 0 : 100 - total(shares)
  const byLoss = exact.toSorted((a, b) => (b.percent % 1) - (a.percent % 1))
  for (const { registry } of byLoss.slice(0, left)) shares.set(registry, (shares.get(registry) ?? 0) + 1)
  return shares
}

function total(shares: Shares): number {
  return [...shares.values()].reduce((sum, share) => sum + share, 0)
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b)
}
