import { checkedEndpoint, checkedNetwork, checkedPort, familyOf } from './addresses.ts'
import { type CapturePlan, type Family, families } from './plan.ts'
import { endpointSet, rangeSet } from './rules.ts'
import type { Tools } from './tools.ts'

/**
 * The kernel's sets of known endpoints and of declared ranges, one of each per family. A set is filled aside and then
 * swapped in, so that readers see either all of the old or all of the new. Sets of ranges are there once a plan has had any.
 */

export type SetPlan = Pick<CapturePlan, 'endpoints' | 'ranges'>

const maxElements = 1_048_576

interface SetKind {
  readonly type: string
  readonly name: (family: Family) => string
  readonly members: (plan: SetPlan, family: Family) => string[]
}

const endpointKind: SetKind = { type: 'hash:ip,port', name: endpointSet, members: endpointMembers }
const rangeKind: SetKind = { type: 'hash:net,port', name: rangeSet, members: rangeMembers }

/** Makes the sets of both families hold exactly what the plan says, where `before` is the plan that they hold now. */
export async function writeSets(tools: Tools, plan: SetPlan, before: SetPlan | undefined): Promise<void> {
  const kinds = hasRanges(plan) || hasRanges(before) ? [endpointKind, rangeKind] : [endpointKind]
  await Promise.all(
    kinds.flatMap(kind =>
      families.map(family => tools.run('ipset', ['restore', '-exist'], swapText(kind, plan, family))),
    ),
  )
}

/** The `ipset restore` input for one set: of endpoints, or of ranges. Pure. */
export function setText(plan: SetPlan, family: Family, of: 'endpoints' | 'ranges' = 'endpoints'): string {
  return swapText(of === 'endpoints' ? endpointKind : rangeKind, plan, family)
}

function swapText({ type, name: nameOf, members }: SetKind, plan: SetPlan, family: Family): string {
  const name = nameOf(family)
  const next = `${name}-next`
  const create = (set: string) =>
    `create ${set} ${type} family ${family === 4 ? 'inet' : 'inet6'} maxelem ${maxElements}`
  const added = members(plan, family).map(member => `add ${next} ${member}`)
  return `${[create(name), create(next), `flush ${next}`, ...added, `swap ${next} ${name}`, `destroy ${next}`].join('\n')}\n`
}

/** True when the sets exist and hold exactly what the plan says. */
export async function setsHold(tools: Tools, plan: SetPlan): Promise<boolean> {
  for (const kind of hasRanges(plan) ? [endpointKind, rangeKind] : [endpointKind]) {
    for (const family of families) {
      const saved = await saveOf(tools, kind.name(family))
      if (saved === undefined) return false
      const members = saved.split('\n').filter(line => line.startsWith('add '))
      const wanted = new Set(kind.members(plan, family))
      if (members.length !== wanted.size) return false
      if (!members.every(line => wanted.has(line.split(' ')[2] ?? ''))) return false
    }
  }
  return true
}

/** Takes all sets away, wherever a swap was interrupted; harmless when they are not there. */
export async function removeSets(tools: Tools): Promise<void> {
  const names = new Set((await tools.run('ipset', ['list', '-n'])).split('\n'))
  for (const kind of [endpointKind, rangeKind]) {
    for (const family of families) {
      for (const name of [kind.name(family), `${kind.name(family)}-next`]) {
        if (names.has(name)) await tools.run('ipset', ['destroy', name])
      }
    }
  }
}

async function saveOf(tools: Tools, name: string): Promise<string | undefined> {
  const names = (await tools.run('ipset', ['list', '-n'])).split('\n')
  return names.includes(name) ? await tools.run('ipset', ['save', name]) : undefined
}

function hasRanges(plan: SetPlan | undefined): boolean {
  return (plan?.ranges ?? []).length > 0
}

function endpointMembers({ endpoints }: SetPlan, family: Family): string[] {
  const own = endpoints.map(checkedEndpoint).filter(({ address }) => familyOf(address) === family)
  return [...new Set(own.map(({ address, port }) => `${address},tcp:${port}`))].toSorted()
}

function rangeMembers({ ranges = [] }: SetPlan, family: Family): string[] {
  const own = ranges.flatMap(({ range, port }) => kernelRanges(checkedNetwork(range)).map(net => ({ net, port })))
  const members = own.filter(({ net }) => familyOf(net) === family)
  return [...new Set(members.map(({ net, port }) => `${net},tcp:${checkedPort(port)}`))].toSorted()
}

/** As the kernel keeps and writes them: it has no range of everything, and single addresses without a length. */
function kernelRanges(network: string): string[] {
  const [address = '', length = ''] = network.split('/')
  if (length === '0') return familyOf(network) === 4 ? ['0.0.0.0/1', '128.0.0.0/1'] : ['::/1', '8000::/1']
  return [Number(length) === (familyOf(network) === 4 ? 32 : 128) ? address : network]
}
