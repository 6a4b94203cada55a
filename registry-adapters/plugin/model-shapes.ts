import type { RegistryProblem } from '../../mesh/model/catalogue.ts'
import type { Locality } from '../../mesh/model/locality.ts'
import type { Probe, ProbeCheck } from '../../mesh/model/probe.ts'
import { type Endpoint, protocols, type Service, type ServicePort } from '../../mesh/model/service.ts'
import type { CallerSelector, Workload } from '../../mesh/model/workload.ts'
import { list, number, object, oneOf, optional, pair, record, type Shape, text, variant } from './shape.ts'

/** What a plugin may say, by type and size only: whether names, addresses and ports make sense is judged for everybody alike. */

const name = text(512)
/** Paths, commands, values of headers. */
const line = text(8192)
/** Labels of one item may be long, and are refused for that by name later. */
const labels = record(text(4 << 20), 10_000)
const names = list(name, 10_000)

const locality = object<Locality>({ region: name, zone: name, subzone: name })

const caller = variant<CallerSelector>({
  uid: object<Extract<CallerSelector, { kind: 'uid' }>>({ kind: oneOf('uid'), uid: number }),
  user: object<Extract<CallerSelector, { kind: 'user' }>>({ kind: oneOf('user'), user: name }),
  cgroup: object<Extract<CallerSelector, { kind: 'cgroup' }>>({ kind: oneOf('cgroup'), path: line }),
})

const check = variant<ProbeCheck>({
  http: object<Extract<ProbeCheck, { kind: 'http' }>>({
    kind: oneOf('http'),
    scheme: oneOf('http', 'https'),
    host: optional(name),
    port: number,
    path: line,
    headers: list(pair(name, line), 100),
  }),
  tcp: object<Extract<ProbeCheck, { kind: 'tcp' }>>({ kind: oneOf('tcp'), host: optional(name), port: number }),
  grpc: object<Extract<ProbeCheck, { kind: 'grpc' }>>({ kind: oneOf('grpc'), port: number, service: name }),
  exec: object<Extract<ProbeCheck, { kind: 'exec' }>>({ kind: oneOf('exec'), command: list(line, 1000) }),
  unit: object<Extract<ProbeCheck, { kind: 'unit' }>>({ kind: oneOf('unit'), unit: name }),
})

const probe = object<Probe>({
  check,
  initialDelayMs: number,
  timeoutMs: number,
  periodMs: number,
  successThreshold: number,
  failureThreshold: number,
})

const port = object<ServicePort>({ name, port: number, protocol: oneOf(...protocols) })

const endpoint = object<Endpoint>({ workload: name, ports: record(number, 1000), weight: optional(number) })

export const workloadShape: Shape<Workload> = object<Workload>({
  id: name,
  registry: name,
  namespace: name,
  name,
  address: name,
  node: optional(name),
  serviceAccount: optional(name),
  labels,
  locality,
  weight: number,
  health: oneOf('healthy', 'unhealthy', 'draining'),
  healthReason: optional(text(1 << 20)),
  probe: optional(probe),
  callers: list(caller, 1000),
})

/** Other ways to find endpoints than listing them are for operators' resources. */
type ListedService = Omit<Service, 'resolution' | 'dnsEndpoints' | 'subjectAltNames'>

export const serviceShape: Shape<Service> = object<ListedService>({
  namespace: name,
  name,
  hosts: names,
  addresses: names,
  location: oneOf('mesh', 'external'),
  ports: list(port, 1000),
  endpoints: list(endpoint, 1_000_000),
  exportTo: optional(names),
})

export const problemShape: Shape<RegistryProblem> = object<RegistryProblem>({
  item: text(1 << 20),
  reason: text(1 << 20),
})
