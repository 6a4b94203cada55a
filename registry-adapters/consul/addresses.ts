import type { ConsulInstance, TaggedAddress } from './answers.ts'

/**
 * Where an instance is reached: its address under the tag, as Consul's own address translation picks it, else its own,
 * else its node's under the tag, else its node's. A port goes with the address of the instance that it stands with.
 */
export function placeOf(instance: ConsulInstance, tag: string | undefined): TaggedAddress {
  const { address, port, node } = instance
  const tagged = tag === undefined ? undefined : instance.taggedAddresses[tag]
  if (tagged !== undefined && tagged.address !== '') {
    return { address: tagged.address, port: tagged.port === 0 ? port : tagged.port }
  }
  if (address !== '') return { address, port }
  return { address: (tag === undefined ? undefined : node.taggedAddresses[tag]) || node.address, port }
}

/** The virtual address of a service, if all its instances name the same one: callers may use it for the service. */
export function commonVirtual(addresses: readonly string[]): readonly string[] {
  const [only = '', ...others] = new Set(addresses)
  return others.length === 0 && only !== '' ? [only] : []
}
