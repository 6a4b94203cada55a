import type { Answer } from 'dns-packet'
import type { Random } from '../../mesh/std/clock.ts'
import { type Query, writeAnswer } from './message.ts'

/** What the mesh answers by itself. Pure: a table and a query in, an answer or "ask somebody else" out. */

export interface NameAddresses {
  readonly v4: readonly string[]
  readonly v6: readonly string[]
}

/** Every name the mesh knows: lower case, without trailing dot; `*.` in front stands for any labels. */
export interface NameTable {
  readonly names: ReadonlyMap<string, NameAddresses>
}

/** A table made ready for queries. */
export interface PreparedNames {
  find(name: string): NameAddresses | undefined
  /** True for a name that has no addresses but further names below it: it exists, so it is not NXDOMAIN (RFC 8020). */
  hasBelow(name: string): boolean
}

/** Seconds an address may be cached: services keep their virtual addresses, so this bounds only renames. */
const addressTtl = 30
/** Seconds a missing name may be cached: short, because the usual reason is a service about to be registered. */
const missingTtl = 5

export function prepareNames(table: NameTable): PreparedNames {
  const parents = new Set<string>()
  for (const name of table.names.keys()) {
    for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) parents.add(name.slice(dot + 1))
  }
  return {
    find(name) {
      const exact = table.names.get(name)
      if (exact !== undefined) return exact
      for (let dot = name.indexOf('.'); dot !== -1; dot = name.indexOf('.', dot + 1)) {
        const found = table.names.get(`*${name.slice(dot)}`)
        if (found !== undefined) return found
      }
      return undefined
    },
    hasBelow: name => parents.has(name),
  }
}

/**
 * The mesh's own answer, or undefined when the name is none of ours and has to be forwarded. Before the first table
 * names of the zone are SERVFAIL: "not known yet" must not be remembered as "does not exist".
 */
export function answerOf(
  query: Query,
  zone: string,
  names: PreparedNames | undefined,
  random: Random,
): Buffer | undefined {
  const { name } = query
  if (name === undefined) return undefined
  const inZone = name === zone || name.endsWith(`.${zone}`)
  const found = names?.find(name)
  if (found === undefined && !inZone) return undefined
  if (names === undefined) return writeAnswer(query, 'SERVFAIL')
  if (query.question.class !== 'IN' && query.question.class !== 'ANY') return writeAnswer(query, 'REFUSED')
  const authorities = inZone ? [startOfAuthority(zone)] : []
  if (found === undefined) {
    const exists = name === zone || names.hasBelow(name)
    return writeAnswer(query, exists ? 'NOERROR' : 'NXDOMAIN', { authoritative: true, authorities })
  }
  const answers = recordsOf(query, found, random)
  return writeAnswer(query, 'NOERROR', {
    authoritative: true,
    answers,
    // the missing family is "no such data", never "no such name": resolvers that ask both would drop the other
    authorities: answers.length === 0 ? authorities : [],
  })
}

function recordsOf(query: Query, found: NameAddresses, random: Random): Answer[] {
  const { type, name } = query.question
  const wants = (family: string) => type === family || (type as string) === 'ANY'
  const a = wants('A') ? shuffled(found.v4, random) : []
  const aaaa = wants('AAAA') ? shuffled(found.v6, random) : []
  return [
    ...a.map(data => ({ type: 'A', class: 'IN', name, ttl: addressTtl, data }) as const),
    ...aaaa.map(data => ({ type: 'AAAA', class: 'IN', name, ttl: addressTtl, data }) as const),
  ]
}

/** Lets resolvers cache that something is missing, for a short time (RFC 2308). */
function startOfAuthority(zone: string): Answer {
  return {
    type: 'SOA',
    class: 'IN',
    name: zone,
    ttl: missingTtl,
    data: {
      mname: `ns.${zone}`,
      rname: `hostmaster.${zone}`,
      serial: 1,
      refresh: 3600,
      retry: 600,
      expire: 86_400,
      minimum: missingTtl,
    },
  }
}

function shuffled(values: readonly string[], random: Random): string[] {
  const all = [...values]
  for (let at = all.length - 1; at > 0; at -= 1) {
    const other = Math.floor(random() * (at + 1))
    const [a, b] = [all[at], all[other]]
    if (a !== undefined && b !== undefined) [all[at], all[other]] = [b, a]
  }
  return all
}
