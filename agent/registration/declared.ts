import { MeshError } from '../../mesh/std/errors.ts'
import { canonicalAddress } from '../../mesh/std/ip-address.ts'
import type { Registration } from '../../mesh/wire/messages.ts'
import type { AgentSettings } from '../config.ts'

/** A registration as somebody declared it on this host. */
export interface Declared extends Pick<Registration, 'group' | 'name' | 'ports'> {
  /** Empty: this host's own address, as the server is reached from it. */
  readonly address: string
}

/** What is kept on disk: what was registered by command, and what was taken out of service, by name. */
export interface KeptRegistrations {
  readonly declared: readonly Declared[]
  readonly maintenance: ReadonlyMap<string, string>
}

/** As somebody wrote it: everything but the group may be left out. */
export interface Wish {
  readonly group: string
  readonly name?: string
  readonly address?: string
  readonly ports?: Readonly<Record<string, number>>
}

const dnsLabel = /^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/
const dnsSubdomain = /^(?=.{1,253}$)[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/
const portName = /^[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?$/
const maxPorts = 128

/**
 * Checks a wish and fills in its name. Throws WEFT_REGISTRATION_INVALID naming what is wrong; whether the group exists,
 * and whether this host may be one of it, only the server knows.
 */
export function declare(wish: Wish, defaultName: string): Declared {
  const { group, name = defaultName, ports = {} } = wish
  const [namespace = '', groupName = '', ...more] = group.split('/')
  if (!dnsLabel.test(namespace) || !dnsSubdomain.test(groupName) || more.length > 0) {
    throw invalid('group', group, 'is not <namespace>/<name> of a WorkloadGroup')
  }
  if (!dnsLabel.test(name)) throw invalid('name', name, 'must be 1 to 63 lower-case letters, digits and dashes')
  const address = wish.address === undefined || wish.address === '' ? '' : canonicalAddress(wish.address)
  if (address === undefined) throw invalid('address', wish.address ?? '', 'is not an IPv4 or IPv6 address')
  if (Object.keys(ports).length > maxPorts) throw invalid('ports', '', `are more than ${maxPorts}`)
  for (const [key, port] of Object.entries(ports)) {
    if (!portName.test(key)) throw invalid('ports', key, 'is not the name of a port')
    if (!Number.isInteger(port) || port < 1 || port > 65535) throw invalid('ports', key, 'is not from 1 to 65535')
  }
  return { group, name, address, ports }
}

/** What the agent's settings register; undefined when they name no group. Throws WEFT_REGISTRATION_INVALID. */
export function declaredBySettings({ register, node }: Pick<AgentSettings, 'register' | 'node'>): Declared | undefined {
  const { group, name, address, ports } = register
  if (group === '') return undefined
  const wish = { group, address, ports: parsePorts(ports), ...(name === '' ? {} : { name }) }
  return declare(wish, nameOfNode(node))
}

/** Reads ports as settings and the command line write them: `http=8080`. Throws WEFT_REGISTRATION_INVALID. */
export function parsePorts(texts: readonly string[]): Readonly<Record<string, number>> {
  const ports = new Map<string, number>()
  for (const text of texts) {
    const [, name, port] = /^([^=]+)=(\d{1,5})$/.exec(text) ?? []
    if (name === undefined) throw invalid('ports', text, 'is not <name>=<port>')
    if (ports.has(name)) throw invalid('ports', name, 'is given twice')
    ports.set(name, Number(port))
  }
  return Object.fromEntries(ports)
}

/** The host's name as the name of a workload, which is a DNS label: `VM_17.example` is `vm-17-example`. */
export function nameOfNode(node: string): string {
  const label = node.toLowerCase().replaceAll(/[^a-z0-9]+/g, '-')
  return label.slice(0, 63).replaceAll(/^-+|-+$/g, '')
}

/** An error about one field of a registration. */
export function invalid(field: string, value: string, problem: string): MeshError {
  const shown = value === '' ? field : `${field} ${JSON.stringify(value.slice(0, 80))}`
  return new MeshError('WEFT_REGISTRATION_INVALID', `${shown} ${problem}`, { fields: { field, value } })
}
