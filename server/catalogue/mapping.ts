import { emptySnapshot, type RegistryProblem, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { type Service, serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { changedKeys, type Table } from '../../mesh/std/table.ts'
import { createProblemList } from './problem-list.ts'
import { createReferences } from './references.ts'

/**
 * What a registry's services are called in the mesh: templates with the variables `{name}`, `{namespace}` and
 * `{registry}`, which stand for what the registry says.
 */
export interface MappingOptions {
  readonly name: string
  /** Without `{name}`: services and workloads must come into the same namespace. */
  readonly namespace: string
  /** Further names of every service. */
  readonly hosts: readonly string[]
}

const variables: Readonly<Record<keyof MappingOptions, readonly string[]>> = {
  name: ['name', 'namespace', 'registry'],
  namespace: ['namespace', 'registry'],
  hosts: ['name', 'namespace', 'registry'],
}

/** Why a text cannot be the template of an option; undefined for one that can. */
export function templateProblem(option: keyof MappingOptions, template: string): string | undefined {
  if (template === '') return 'is empty'
  const known = variables[option]
  const unknown = [...template.matchAll(/\{([^{}]*)\}/g)].find(([, name = '']) => !known.includes(name))
  if (unknown !== undefined) return `has ${unknown[0]}, it may have ${known.map(name => `{${name}}`).join(', ')}`
  return /[{}]/.test(template.replaceAll(/\{[^{}]*\}/g, '')) ? 'has a brace without the other one' : undefined
}

/**
 * Renames what a registry says, before it is judged. The function returned is called with each view of the registry in
 * turn and maps only what differs from the one before. Of services that come to the same key the one whose own key is
 * the first is used, the others are named as problems.
 */
export function createMapping(options: MappingOptions, registry: string): (view: RegistrySnapshot) => RegistrySnapshot {
  if (options.name === '{name}' && options.namespace === '{namespace}' && options.hosts.length === 0)
    return view => view
  const mapper = createMapper(options, registry)
  const problems = createProblemList()
  /** Which services, by their own keys, come to a key. */
  const origins = createReferences()
  let seen = emptySnapshot
  let mapped = emptySnapshot
  let listed: readonly RegistryProblem[] = []

  const settle = (key: string, next: Table<Service>): Service | undefined => {
    const [first, ...others] = [...origins.ownersOf(key)].sort()
    const item = (other: string) => ({
      item: `service ${other}`,
      reason: `the mapping makes it ${key}, as it does service ${first}, which is used`,
    })
    problems.set(key, others.map(item))
    return first === undefined ? undefined : mapper.service(first, next.get(first))
  }
  return view => {
    if (view === seen) return mapped
    const keys = new Set<string>()
    for (const own of changedKeys(seen.services, view.services)) {
      const [before, after] = [seen, view].map(({ services }) => mapper.keyOf(own, services.get(own)))
      for (const key of [before, after]) if (key !== undefined) keys.add(key)
      origins.set(own, after === undefined ? [] : [after])
    }
    const services = mapped.services.with([...keys].map(key => [key, settle(key, view.services)]))
    const ids = changedKeys(seen.workloads, view.workloads)
    const workloads = mapped.workloads.with(ids.map(id => [id, mapper.workload(view.workloads.get(id))]))
    const same = view.problems === seen.problems && problems.all === listed
    listed = problems.all
    mapped = { services, workloads, problems: same ? mapped.problems : [...view.problems, ...listed] }
    seen = view
    return mapped
  }
}

/** Renames single items; one that is absent stays so. */
interface Mapper {
  /** The key that the service of this own key comes to. One that is listed under a key not its own keeps that. */
  keyOf(own: string, service: Service | undefined): string | undefined
  service(own: string, service: Service | undefined): Service | undefined
  workload(workload: Workload | undefined): Workload | undefined
}

function createMapper(options: MappingOptions, registry: string): Mapper {
  /** The same for the same object: a service that is looked at again has not changed by that. */
  const known = new WeakMap<Service, Service>()
  const namespaceOf = (namespace: string) => fill(options.namespace, { namespace, registry })

  const rename = (service: Service): Service => {
    const given = { name: service.name, namespace: service.namespace, registry }
    const hosts = options.hosts.map(host => fill(host, given))
    return {
      ...service,
      name: fill(options.name, given),
      namespace: namespaceOf(service.namespace),
      hosts: [...new Set([...service.hosts, ...hosts])],
      ...(service.exportTo === undefined
        ? {}
        : { exportTo: service.exportTo.map(name => (name === '*' ? name : namespaceOf(name))) }),
    }
  }
  const renamed = (own: string, service: Service): Service => {
    // the judge of the whole view finds it by that
    if (serviceKey(service) !== own) return service
    const made = known.get(service) ?? rename(service)
    known.set(service, made)
    return made
  }
  return {
    keyOf: (own, service) =>
      service === undefined || serviceKey(service) !== own ? service && own : serviceKey(renamed(own, service)),
    service: (own, service) => service && renamed(own, service),
    workload: workload => workload && { ...workload, namespace: namespaceOf(workload.namespace) },
  }
}

function fill(template: string, values: Readonly<Record<string, string>>): string {
  return template.replaceAll(/\{(\w+)\}/g, (all, name: string) => values[name] ?? all)
}
