import { checkedEndpoint, familyOf } from './addresses.ts'
import { type AddressPort, type Family, families } from './plan.ts'
import { endpointSet } from './rules.ts'
import type { Tools } from './tools.ts'

/**
 * The kernel's sets of known endpoints, one per family. A set is filled aside and then swapped in, so that readers
 * see either all of the old or all of the new.
 */

const maxElements = 1_048_576

/** Makes the sets of both families hold exactly these endpoints. */
export async function writeEndpointSets(tools: Tools, endpoints: readonly AddressPort[]): Promise<void> {
  await Promise.all(families.map(family => tools.run('ipset', ['restore', '-exist'], setText(endpoints, family))))
}

/** The `ipset restore` input for one family. Pure. */
export function setText(endpoints: readonly AddressPort[], family: Family): string {
  const name = endpointSet(family)
  const next = `${name}-next`
  const create = (set: string) =>
    `create ${set} hash:ip,port family ${family === 4 ? 'inet' : 'inet6'} maxelem ${maxElements}`
  const members = membersOf(endpoints, family).map(member => `add ${next} ${member}`)
  return `${[create(name), create(next), `flush ${next}`, ...members, `swap ${next} ${name}`, `destroy ${next}`].join('\n')}\n`
}

/** True when the sets exist and hold exactly these endpoints. */
export async function endpointSetsHold(tools: Tools, endpoints: readonly AddressPort[]): Promise<boolean> {
  for (const family of families) {
    const saved = await saveOf(tools, endpointSet(family))
    if (saved === undefined) return false
    const members = saved.split('\n').filter(line => line.startsWith('add '))
    const wanted = new Set(membersOf(endpoints, family))
    if (members.length !== wanted.size) return false
    if (!members.every(line => wanted.has(line.split(' ')[2] ?? ''))) return false
  }
  return true
}

/** Takes both sets away, wherever a swap was interrupted; harmless when they are not there. */
export async function removeEndpointSets(tools: Tools): Promise<void> {
  const names = new Set((await tools.run('ipset', ['list', '-n'])).split('\n'))
  for (const family of families) {
    for (const name of [endpointSet(family), `${endpointSet(family)}-next`]) {
      if (names.has(name)) await tools.run('ipset', ['destroy', name])
    }
  }
}

async function saveOf(tools: Tools, name: string): Promise<string | undefined> {
  const names = (await tools.run('ipset', ['list', '-n'])).split('\n')
  return names.includes(name) ? await tools.run('ipset', ['save', name]) : undefined
}

function membersOf(endpoints: readonly AddressPort[], family: Family): string[] {
  const own = endpoints.map(checkedEndpoint).filter(({ address }) => familyOf(address) === family)
  return [...new Set(own.map(({ address, port }) => `${address},tcp:${port}`))].toSorted()
}
