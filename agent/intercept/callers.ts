import { readFileSync } from 'node:fs'
import type { CallerSelector } from '../../mesh/model/workload.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { checkedCgroupPath, checkedPort, checkedUid } from './addresses.ts'
import type { CgroupTree } from './cgroups.ts'
import type { CallerMatch, CallerRoute } from './plan.ts'
import type { Tools } from './tools.ts'

/**
 * From what an operator declared to what the kernel can match at this moment. The rule over all others: a process is
 * never taken for another workload. Whatever cannot be told for certain is left out, and its connections go to the
 * default port as unknown callers.
 */

export interface CallerStatus {
  readonly selector: CallerSelector
  readonly port: number
  /**
   * `absent`: no such cgroup now. `unknown-user`: no such user. `ambiguous`: another workload's selector covers the
   * same processes. `invalid`: not a usable value.
   */
  readonly state: 'matched' | 'absent' | 'unknown-user' | 'ambiguous' | 'invalid'
}

export interface ResolvedCallers {
  /** Cgroups before uids: the narrower statement about a process comes first. */
  readonly matches: readonly CallerMatch[]
  readonly status: readonly CallerStatus[]
  /** The identity of each cgroup when it was looked at; undefined for an absent one. */
  readonly cgroups: ReadonlyMap<string, bigint | undefined>
}

/** What is looked up on the host. */
export interface CallerFacts {
  readonly tree: Pick<CgroupTree, 'id'> | undefined
  uidOf(user: string): Promise<number | undefined>
  /** Uids that processes of a cgroup have now, or had when it was there. */
  uidsOf(cgroup: string): ReadonlySet<number>
}

interface Candidate {
  readonly selector: CallerSelector
  readonly port: number
  readonly match: CallerMatch | undefined
  readonly state: CallerStatus['state']
}

/** Looks every selector up once. Never throws for a bad selector: that one is reported and left out. */
export async function resolveCallers(routes: readonly CallerRoute[], facts: CallerFacts): Promise<ResolvedCallers> {
  const cgroups = new Map<string, bigint | undefined>()
  const candidates: Candidate[] = []
  for (const { selectors, port } of routes) {
    checkedPort(port)
    for (const selector of selectors) candidates.push(await lookUp(selector, port, facts, cgroups))
  }
  const settled = candidates.map(candidate => (isAmbiguous(candidate, candidates, facts) ? left(candidate) : candidate))
  const matches = settled.flatMap(({ match, state }) => (match !== undefined && state === 'matched' ? [match] : []))
  return {
    matches: unique([
      ...matches.filter(({ kind }) => kind === 'cgroup'),
      ...matches.filter(({ kind }) => kind === 'uid'),
    ]),
    status: settled.map(({ selector, port, state }) => ({ selector, port, state })),
    cgroups,
  }
}

async function lookUp(
  selector: CallerSelector,
  port: number,
  facts: CallerFacts,
  cgroups: Map<string, bigint | undefined>,
): Promise<Candidate> {
  try {
    if (selector.kind === 'cgroup') {
      const path = checkedCgroupPath(selector.path)
      const id = facts.tree?.id(path)
      cgroups.set(path, id)
      return { selector, port, match: { kind: 'cgroup', path, port }, state: id === undefined ? 'absent' : 'matched' }
    }
    const uid = selector.kind === 'uid' ? selector.uid : await facts.uidOf(selector.user)
    if (uid === undefined) return { selector, port, match: undefined, state: 'unknown-user' }
    return { selector, port, match: { kind: 'uid', uid: checkedUid(uid), port }, state: 'matched' }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    return { selector, port, match: undefined, state: 'invalid' }
  }
}

/**
 * True when a process of another workload could fall under this selector. Absent cgroups count: the moment one is
 * back, and before its rule is in, its processes would be taken for this workload's.
 */
function isAmbiguous(candidate: Candidate, all: readonly Candidate[], facts: CallerFacts): boolean {
  const own = candidate.match
  if (own === undefined) return false
  return all.some(({ match }) => {
    if (match === undefined || match.port === own.port) return false
    if (own.kind === 'uid') return match.kind === 'uid' ? match.uid === own.uid : facts.uidsOf(match.path).has(own.uid)
    return match.kind === 'cgroup' && (match.path === own.path || match.path.startsWith(`${own.path}/`))
  })
}

function left(candidate: Candidate): Candidate {
  return { ...candidate, state: 'ambiguous' }
}

function unique(matches: readonly CallerMatch[]): CallerMatch[] {
  return [...new Map(matches.map(match => [JSON.stringify(match), match])).values()]
}

/** The facts of this machine: its passwd file, its name service, its cgroup tree. */
export function createCallerFacts(tree: CgroupTree | undefined, tools: Tools): CallerFacts {
  const seen = new Map<string, ReadonlySet<number>>()
  return {
    tree,
    uidOf: user => uidOf(user, tools),
    uidsOf(cgroup) {
      const all = new Set([...(tree?.uids(cgroup) ?? []), ...(seen.get(cgroup) ?? [])])
      seen.set(cgroup, all)
      return all
    },
  }
}

/** The uid of a user by `/etc/passwd`, then by the name service (LDAP and the like); undefined when nobody knows it. */
async function uidOf(user: string, tools: Tools): Promise<number | undefined> {
  if (!/^[\w][\w.@$-]*$/.test(user)) return undefined
  const entry = (text: string) => text.split('\n').find(line => line.startsWith(`${user}:`))
  let found = entry(readFileSync('/etc/passwd', 'utf8'))
  // getent fails for a user that nobody knows, and is not there on every system
  found ??= entry(await tools.run('getent', ['passwd', user]).catch(() => ''))
  const uid = found?.split(':')[2]
  return uid !== undefined && /^\d+$/.test(uid) ? Number(uid) : undefined
}
