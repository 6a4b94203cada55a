import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { trustOf } from '../../mesh/model/trust.ts'
import type { EncodedResource } from '../../mesh/wire/messages.ts'
import { type HeldCertificate, holdCertificate, type KeyAndChain } from '../identity/held-certificate.ts'
import { declare, type KeptRegistrations } from '../registration/declared.ts'
import type { StateDirectory } from './state-directory.ts'

/**
 * What is in an agent's state directory, by file, with the reader of each. A reader throws on anything it did not
 * write, and the directory then falls back to the previous generation.
 */

/** The node as it is kept: its key from before the first request on, its chain once it has joined. */
export interface NodeState {
  /** PKCS#8, PEM. */
  readonly key: string
  /** SPIFFE id; absent until joined. */
  readonly identity?: string
  /** PEM, leaf first; absent until joined. */
  readonly chain?: string
}

/** Identity to the port of its outbound listener. */
export type PortAssignment = ReadonlyMap<string, number>

/** Everything an agent keeps, typed. Absent values have never been written or were lost. */
export interface AgentState {
  node(): Promise<NodeState | undefined>
  saveNode(node: NodeState): Promise<void>
  trust(): Promise<TrustBundle | undefined>
  saveTrust(trust: TrustBundle): Promise<void>
  workloads(): Promise<readonly HeldCertificate[]>
  saveWorkloads(workloads: readonly HeldCertificate[]): Promise<void>
  resources(): Promise<readonly EncodedResource[]>
  saveResources(resources: Iterable<EncodedResource>): Promise<void>
  ports(): Promise<PortAssignment>
  savePorts(ports: PortAssignment): Promise<void>
  registrations(): Promise<KeptRegistrations>
  saveRegistrations(registrations: KeptRegistrations): Promise<void>
  /** One sentence for every file that had to be set aside. */
  readonly problems: readonly string[]
}

/** Types the files of a state directory. */
export function agentState(files: StateDirectory): AgentState {
  return {
    problems: files.problems,
    node: () => files.read('node', readNode),
    saveNode: node => files.write('node', node),
    trust: () => files.read('trust', readTrust),
    saveTrust: trust => files.write('trust', trust),
    workloads: async () => (await files.read('workloads', value => list(value).map(readHeld))) ?? [],
    saveWorkloads: workloads => files.write('workloads', workloads.map(onlyParts)),
    resources: async () => (await files.read('config', value => list(value).map(readResource))) ?? [],
    saveResources: resources => {
      const rows = [...resources].map(({ name, hash, body }) => ({ name, hash, body: body.toString('base64') }))
      return files.write('config', rows)
    },
    ports: async () => (await files.read('ports', readPorts)) ?? new Map(),
    savePorts: ports => files.write('ports', Object.fromEntries(ports)),
    registrations: async () =>
      (await files.read('registrations', readRegistrations)) ?? { declared: [], maintenance: new Map() },
    saveRegistrations: ({ declared, maintenance }) =>
      files.write('registrations', { declared, maintenance: Object.fromEntries(maintenance) }),
  }
}

function readNode(value: unknown): NodeState {
  const { key, identity, chain } = object(value)
  if (identity === undefined) return { key: text(key) }
  // A chain that is not of the key would be found out by the server only.
  const { notBefore: _from, notAfter: _to, ...parts } = readHeld({ key, identity, chain })
  return parts
}

function readTrust(value: unknown): TrustBundle {
  const { trustDomain, sequence, roots, renewWithinMs = 0, ...lists } = object(value)
  if (typeof sequence !== 'number' || typeof renewWithinMs !== 'number') throw new TypeError('no sequence number')
  const texts = (of: unknown) => list(of ?? []).map(text)
  return trustOf({
    trustDomain: text(trustDomain),
    sequence,
    roots: list(roots).map(text),
    tainted: texts(lists.tainted),
    renewWithinMs,
    retired: texts(lists.retired),
    bannedIdentities: texts(lists.bannedIdentities),
    bannedKeys: texts(lists.bannedKeys),
  })
}

function readHeld(value: unknown): HeldCertificate {
  const { identity, key, chain } = object(value)
  return holdCertificate({ identity: text(identity), key: text(key), chain: text(chain) })
}

function onlyParts({ identity, key, chain }: KeyAndChain): KeyAndChain {
  return { identity, key, chain }
}

function readResource(value: unknown): EncodedResource {
  const { name, hash, body } = object(value)
  return { name: text(name), hash: text(hash), body: Buffer.from(text(body), 'base64') }
}

function readPorts(value: unknown): PortAssignment {
  return new Map(
    Object.entries(object(value)).map(([identity, port]) => {
      if (typeof port !== 'number' || port < 1 || port > 65535) throw new TypeError(`no port for ${identity}`)
      return [identity, port]
    }),
  )
}

function readRegistrations(value: unknown): KeptRegistrations {
  const { declared, maintenance } = object(value)
  return {
    declared: list(declared).map(one => {
      const { group, name, address, ports } = object(one)
      const numbers = Object.entries(object(ports)).map(([key, port]) => [key, Number(port)] as const)
      return declare({ group: text(group), address: text(address), ports: Object.fromEntries(numbers) }, text(name))
    }),
    maintenance: new Map(Object.entries(object(maintenance)).map(([name, reason]) => [name, text(reason)])),
  }
}

function object(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new TypeError('not an object')
  return value as Readonly<Record<string, unknown>>
}

function list(value: unknown): readonly unknown[] {
  if (!Array.isArray(value)) throw new TypeError('not a list')
  return value
}

function text(value: unknown): string {
  if (typeof value !== 'string') throw new TypeError('not a text')
  return value
}
