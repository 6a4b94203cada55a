import { items, type JsonObject, number, objectOf, stringMap, text } from '../json.ts'

/** What the job of an allocation says of its group, in the version the allocation runs. */
export interface JobGroup {
  /** `service`, `system`, `batch`, `sysbatch`. */
  readonly jobType: string
  readonly region: string
  /** The periodic or parameterized job that it is a child of, or the job itself. */
  readonly parentId: string
  readonly version: number
  /** Whether changes of the job are deployments, which look at health. */
  readonly deploys: boolean
  /** Services of Nomad's own provider by their registration's id without prefix, see {@link serviceOf}. */
  readonly services: ReadonlyMap<string, JobService>
}

/** A `service` block. */
export interface JobService {
  readonly name: string
  readonly portLabel: string
  /** The port inside, where the label's `to` says one: 0 where not. */
  readonly to: number
  /** The task whose block it is; undefined for one of the group. */
  readonly task: string | undefined
  readonly meta: Readonly<Record<string, string>>
  /** Instead of `meta` while the allocation is a canary, if there is any. */
  readonly canaryMeta: Readonly<Record<string, string>>
  /** Names of its checks. */
  readonly checks: readonly string[]
}

/** Reads the `Job` of an allocation; undefined when it has no such group. */
export function parseJobGroup(job: JsonObject, group: string): JobGroup | undefined {
  const found = items(job.TaskGroups)
    .map(objectOf)
    .find(candidate => candidate.Name === group)
  if (found === undefined) return undefined
  const tasks = items(found.Tasks).map(objectOf)
  const inside = insidePorts([
    ...items(found.Networks),
    ...tasks.flatMap(task => items(objectOf(task.Resources).Networks)),
  ])
  const services = new Map<string, JobService>()
  const add = (entry: unknown, scope: string, task: string | undefined) => {
    const service = parseService(objectOf(entry), task, inside)
    if (service !== undefined) services.set(`${scope}-${service.name}-${service.portLabel}`, service)
  }
  for (const entry of items(found.Services)) add(entry, `group-${group}`, undefined)
  for (const task of tasks) for (const entry of items(task.Services)) add(entry, text(task.Name), text(task.Name))
  const jobType = text(job.Type)
  return {
    jobType,
    region: text(job.Region),
    parentId: text(job.ParentID) || text(job.ID),
    version: number(job.Version, 0),
    deploys: jobType === 'service' && number(objectOf(found.Update).MaxParallel, 0) > 0,
    services,
  }
}

/** What Nomad puts before the rest of a registration's id. */
export function idPrefix(allocId: string): string {
  return `_nomad-task-${allocId}-`
}

/**
 * The `service` block of a registration: Nomad makes the id of a registration from its group or task, name and port
 * label, so the block that gives this id is found without taking the id apart. Undefined for names that Nomad filled in
 * on the client only.
 */
export function serviceOf(
  group: JobGroup,
  registration: { readonly id: string; readonly allocId: string },
): JobService | undefined {
  const prefix = idPrefix(registration.allocId)
  return registration.id.startsWith(prefix) ? group.services.get(registration.id.slice(prefix.length)) : undefined
}

function parseService(
  entry: JsonObject,
  task: string | undefined,
  inside: ReadonlyMap<string, number>,
): JobService | undefined {
  if (entry.Provider !== 'nomad') return undefined
  const portLabel = text(entry.PortLabel)
  return {
    name: text(entry.Name),
    portLabel,
    to: inside.get(portLabel) ?? 0,
    task,
    meta: stringMap(entry.Meta),
    canaryMeta: stringMap(entry.CanaryMeta),
    checks: items(entry.Checks).map(check => text(objectOf(check).Name)),
  }
}

/** Port labels with the `to` of their network block. A negative one means that it is the port outside. */
function insidePorts(networks: readonly unknown[]): ReadonlyMap<string, number> {
  const ports = networks
    .map(objectOf)
    .flatMap(({ DynamicPorts, ReservedPorts }) => [...items(DynamicPorts), ...items(ReservedPorts)])
  return new Map(ports.map(objectOf).map(port => [text(port.Label), Math.max(0, number(port.To, 0))]))
}
