import type { ConsulRegistration } from '../support/consul.ts'

type Json = Readonly<Record<string, unknown>>

interface NodeRow {
  readonly name: string
  readonly value: Json
}

interface ServiceRow {
  readonly node: string
  readonly id: string
  readonly name: string
  readonly tags: readonly string[]
  readonly value: Json
}

interface CheckRow {
  readonly node: string
  readonly id: string
  readonly serviceId: string
  readonly value: Json
}

/** What a server of 1.8.7 registers about itself. */
const serverMeta = {
  non_voter: 'false',
  raft_version: '3',
  serf_protocol_current: '2',
  serf_protocol_max: '5',
  serf_protocol_min: '1',
  version: '1.8.7',
}

/** Consul's catalogue in memory, with raft indexes by table and by service as Consul keeps them. */
export class FakeConsulState {
  readonly #nodes = new Map<string, NodeRow>()
  readonly #services = new Map<string, ServiceRow>()
  readonly #checks = new Map<string, CheckRow>()
  readonly #indexes = new Map<string, number>()
  #raft = 9

  constructor() {
    this.reset()
  }

  /** Forgets everything and counts from the start, as a `-dev` server that is restarted. */
  reset(): void {
    for (const table of [this.#nodes, this.#services, this.#checks, this.#indexes]) table.clear()
    this.#raft = 9
    this.register({
      Node: 'consul-server',
      Address: '127.0.0.1',
      NodeMeta: { 'consul-network-segment': '' },
      Service: { ID: 'consul', Service: 'consul', Port: 8300, Meta: serverMeta },
      Check: {
        CheckID: 'serfHealth',
        Name: 'Serf Health Status',
        Status: 'passing',
        Output: 'Agent alive and reachable',
      },
    })
  }

  /** `/v1/catalog/register`; writes that change nothing move no index. */
  register(registration: ConsulRegistration): void {
    this.#raft += 1
    const { Node: node, Address: address, NodeMeta: meta = null, Service: service, Check, Checks = [] } = registration
    const nodeValue = nodeJson(node, address, meta)
    if (this.#put(this.#nodes, node, { name: node, value: nodeValue })) {
      this.#touch('nodes', ...this.#servicesOn(node))
    }
    if (service !== undefined) this.#registerService(node, service)
    for (const check of Check === undefined ? Checks : [...Checks, Check]) this.#registerCheck(node, check)
  }

  /** `/v1/catalog/deregister`: a check, a service with its checks, or a whole node. */
  deregister(what: { readonly Node: string; readonly ServiceID?: string; readonly CheckID?: string }): void {
    this.#raft += 1
    const { Node: node, ServiceID: serviceId, CheckID: checkId } = what
    for (const [key, check] of this.#checks) {
      if (check.node !== node) continue
      if (checkId === undefined ? serviceId !== undefined && check.serviceId !== serviceId : check.id !== checkId)
        continue
      this.#checks.delete(key)
      this.#touch(tableOf(check), ...this.#servicesOf(check))
    }
    if (checkId !== undefined) return
    for (const [key, service] of this.#services) {
      if (service.node !== node || (serviceId !== undefined && service.id !== serviceId)) continue
      this.#services.delete(key)
      this.#touch('services', `service/${service.name}`)
    }
    if (serviceId === undefined && this.#nodes.delete(node)) this.#touch('nodes')
  }

  /** Moves the index of a resource although nothing has changed. */
  touch(resource: string): void {
    this.#raft += 1
    this.#touch(resource)
  }

  /** Index of `services`, `nodes`, `checks/<status>` or `service/<name>`. */
  index(resource: string): number {
    return this.#indexes.get(resource) ?? 1
  }

  services(): Json {
    const tags = new Map<string, Set<string>>()
    for (const { name, tags: own } of this.#services.values()) {
      const all = tags.get(name) ?? new Set()
      for (const tag of own) all.add(tag)
      tags.set(name, all)
    }
    return Object.fromEntries([...tags].sort(([a], [b]) => (a < b ? -1 : 1)).map(([name, all]) => [name, [...all]]))
  }

  nodes(): readonly Json[] {
    return [...this.#nodes.values()].map(node => node.value)
  }

  /** Those of one status. */
  checks(status: string): readonly Json[] {
    return [...this.#checks.values()].map(check => check.value).filter(check => check.Status === status)
  }

  service(name: string): readonly Json[] {
    const rows = [...this.#services.values()].filter(service => service.name === name)
    return rows.map(({ node, id, value }) => ({
      Node: this.#nodes.get(node)?.value,
      Service: value,
      Checks: [...this.#checks.values()]
        .filter(check => check.node === node && ['', id].includes(check.serviceId))
        .map(check => check.value),
    }))
  }

  #registerService(node: string, service: Json): void {
    const name = String(service.Service)
    const id = String(service.ID ?? name)
    const tags = (service.Tags ?? []) as readonly string[]
    const key = `${node}\n${id}`
    const before = this.#services.get(key)
    if (!this.#put(this.#services, key, { node, id, name, tags, value: serviceJson(id, service) })) return
    this.#touch('services', `service/${name}`, ...(before === undefined ? [] : [`service/${before.name}`]))
  }

  #registerCheck(node: string, check: Json): void {
    const id = String(check.CheckID)
    const serviceId = String(check.ServiceID ?? '')
    const service = this.#services.get(`${node}\n${serviceId}`)
    const row = { node, id, serviceId, value: checkJson(node, check, service) }
    const before = this.#checks.get(`${node}\n${id}`) ?? row
    if (!this.#put(this.#checks, `${node}\n${id}`, row)) return
    this.#touch(tableOf(before), tableOf(row), ...this.#servicesOf(row))
  }

  /** Stores a row with its create and modify index; false when it says the same as before. */
  #put<T extends { readonly value: Json }>(table: Map<string, T>, key: string, row: T): boolean {
    const before = table.get(key)
    const { CreateIndex: created = this.#raft, ModifyIndex: _, ...old } = before?.value ?? {}
    if (before !== undefined && JSON.stringify(old) === JSON.stringify(row.value)) return false
    table.set(key, { ...row, value: { ...row.value, CreateIndex: created, ModifyIndex: this.#raft } })
    return true
  }

  #touch(...resources: readonly string[]): void {
    for (const resource of resources) this.#indexes.set(resource, this.#raft)
  }

  #servicesOn(node: string): string[] {
    return [...this.#services.values()].filter(row => row.node === node).map(row => `service/${row.name}`)
  }

  #servicesOf(check: { readonly node: string; readonly serviceId: string }): string[] {
    if (check.serviceId === '') return this.#servicesOn(check.node)
    const service = this.#services.get(`${check.node}\n${check.serviceId}`)
    return service === undefined ? [] : [`service/${service.name}`]
  }
}

/** Who waits for the checks of one status is told of changes to those only. */
function tableOf(check: CheckRow): string {
  return `checks/${check.value.Status}`
}

function nodeJson(node: string, address: string, meta: Json | null): Json {
  return { ID: '', Node: node, Address: address, Datacenter: 'dc1', TaggedAddresses: null, Meta: meta }
}

function serviceJson(id: string, service: Json): Json {
  const { Kind, Service, Tags = [], Address = '', Meta = null, Port = 0, Weights } = service
  return {
    ...(Kind !== undefined && { Kind }),
    ID: id,
    Service,
    Tags,
    Address,
    Meta,
    Port,
    Weights: Weights ?? { Passing: 1, Warning: 1 },
    EnableTagOverride: false,
    Proxy: { MeshGateway: {}, Expose: {}, ...(service.Proxy ?? {}) },
    Connect: {},
  }
}

function checkJson(node: string, check: Json, service: ServiceRow | undefined): Json {
  return {
    Node: node,
    CheckID: check.CheckID,
    Name: check.Name ?? '',
    Status: check.Status ?? 'critical',
    Notes: check.Notes ?? '',
    Output: check.Output ?? '',
    ServiceID: check.ServiceID ?? '',
    ServiceName: service?.name ?? '',
    ServiceTags: service?.tags ?? [],
    Type: '',
    Definition: {},
  }
}
