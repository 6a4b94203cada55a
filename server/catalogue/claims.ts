import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { MergedService } from './merge.ts'
import { createReferences } from './references.ts'

/** What is left of a service once every name and address belongs to one service only. */
export interface Settled {
  readonly service: MergedService
  readonly problems: readonly RegistryProblem[]
}

/** Names and addresses that services declare, and whose they are. */
export interface Claims {
  /**
   * Takes what services of these keys declare now, undefined for those that are gone. Returns the keys that must be
   * settled anew: these, and those whose claims touch theirs, before or now.
   */
  update(changed: Iterable<readonly [string, MergedService | undefined]>): ReadonlySet<string>
  settle(key: string, service: MergedService): Settled
}

/** Something that is got whole or not at all: a host, or an address with all the service's ports. */
interface Claim {
  readonly what: string
  readonly parts: readonly string[]
}

/**
 * Settles who owns a host name or an address that several services declare: the first by key. Nobody can declare a name
 * under the mesh's own domain that is not theirs (`<name>.<namespace>.<domain>`): that would take traffic away from
 * whoever the name promises. An address may be shared as long as the ports differ; a refused claim holds nothing.
 */
export function createClaims(dnsDomain: string): Claims {
  const claimants = createReferences()
  const claimsOf = new Map<string, readonly Claim[]>()
  /** Who stands in the way of a key's claim, for as long as nothing changes. */
  const verdicts = new Map<string, string | undefined>()

  const isReserved = (service: MergedService, host: string) => {
    const own = `${service.name}.${service.namespace}.${dnsDomain}`
    return host !== own && (host === dnsDomain || host.endsWith(`.${dnsDomain}`))
  }

  const ownerBefore = (key: string, claim: Claim): string | undefined => {
    const id = `${key} ${claim.what}`
    if (verdicts.has(id)) return verdicts.get(id)
    const owner = claim.parts.flatMap(part => [...claimants.ownersOf(part)].filter(other => holds(other, part, key)))
    const first = owner.sort()[0]
    verdicts.set(id, first)
    return first
  }

  /** Whether the other key comes first and really has the part. */
  const holds = (other: string, part: string, key: string): boolean => {
    if (other >= key) return false
    const claims = claimsOf.get(other) ?? []
    return claims.some(claim => claim.parts.includes(part) && ownerBefore(other, claim) === undefined)
  }

  const neighbours = (key: string) => {
    const parts = (claimsOf.get(key) ?? []).flatMap(claim => claim.parts)
    return parts.flatMap(part => [...claimants.ownersOf(part)])
  }

  const claimsFrom = (service: MergedService): readonly Claim[] => [
    ...service.hosts.filter(host => !isReserved(service, host)).map(host => ({ what: `host ${host}`, parts: [host] })),
    ...service.addresses.map(address => addressClaim(service, address)),
  ]

  return {
    update(changed) {
      verdicts.clear()
      const affected = new Set<string>()
      const reach = (keys: Iterable<string>) => {
        const open = [...keys]
        for (let key = open.pop(); key !== undefined; key = open.pop()) {
          if (affected.has(key)) continue
          affected.add(key)
          open.push(...neighbours(key))
        }
      }
      const changes = [...changed]
      reach(changes.map(([key]) => key))
      for (const [key, service] of changes) {
        const claims = service === undefined ? [] : claimsFrom(service)
        claimants.set(
          key,
          claims.flatMap(claim => claim.parts),
        )
        if (claims.length === 0) claimsOf.delete(key)
        else claimsOf.set(key, claims)
      }
      reach(changes.flatMap(([key]) => neighbours(key)))
      return affected
    },
    settle(key, service) {
      const problems: RegistryProblem[] = []
      const item = `service ${key}`
      const isOurs = (claim: Claim): boolean => {
        const owner = ownerBefore(key, claim)
        if (owner !== undefined)
          problems.push({ item, reason: `its ${claim.what} already belongs to service ${owner}` })
        return owner === undefined
      }
      const hosts = service.hosts.filter(host => {
        const reserved = isReserved(service, host)
        if (reserved) problems.push({ item, reason: `its host ${host} is in the mesh's own zone` })
        return !reserved && isOurs({ what: `host ${host}`, parts: [host] })
      })
      const addresses = service.addresses.filter(address => isOurs(addressClaim(service, address)))
      const whole = hosts.length === service.hosts.length && addresses.length === service.addresses.length
      return { service: whole ? service : { ...service, hosts, addresses }, problems }
    },
  }
}

function addressClaim({ ports }: MergedService, address: string): Claim {
  const parts = ports.length === 0 ? [address] : ports.map(({ port }) => `${address} port ${port}`)
  return { what: `address ${address}`, parts }
}
