import { stringify } from 'yaml'
import type { AgentResource } from '../../mesh/model/agent-config.ts'
import type { CatalogueService } from '../../mesh/model/catalogue.ts'
import { parseLocality } from '../../mesh/model/locality.ts'
import { serviceKey } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { parseResources } from '../../mesh/resources/parse.ts'
import { tableOf } from '../../mesh/std/table.ts'
import { compile } from '../../server/compile/compile.ts'
import { mtlsVerdict } from '../../server/placement.ts'
import { catalogueWorkload, service, workload } from './catalogue.ts'

/** The input half of a golden file; everything that is left out has a plain default. */
interface GoldenInput {
  readonly node?: string
  /** `<namespace>/<service-account>` that the node may hold. */
  readonly mayHold?: readonly string[]
  readonly defaultIdentity?: string
  readonly workloads?: Readonly<Record<string, Partial<Omit<Workload, 'locality'>> & { readonly locality?: string }>>
  readonly services?: Readonly<Record<string, Partial<CatalogueService>>>
  /** Key sets by `jwksUri` or issuer. */
  readonly keys?: Readonly<Record<string, string>>
  /** Operators' resources, whole documents. */
  readonly resources?: readonly object[]
}

/** Compiles the input of a golden file for its node. */
export function compileGolden(input: GoldenInput): readonly AgentResource[] {
  const workloads = Object.entries(input.workloads ?? {}).map(([id, { locality, ...given }]) => {
    return workload({ id, ...given, ...(locality === undefined ? {} : { locality: parseLocality(locality) }) })
  })
  const services = Object.entries(input.services ?? {}).map(([key, given]): CatalogueService => {
    const [namespace = '', name = ''] = key.split('/')
    return { ...service(name, [], { namespace, ...given }), registries: ['static'], virtualIps: [], ...given }
  })
  services.sort((a, b) => (serviceKey(a) < serviceKey(b) ? -1 : 1))
  const resources = (input.resources ?? []).flatMap(document => {
    const parsed = parseResources(stringify(document), 'resource')
    if (parsed.problems.length > 0) throw new Error(JSON.stringify(parsed.problems))
    return parsed.resources
  })
  return compile({
    catalogue: {
      services: tableOf(services.map(one => [serviceKey(one), one] as const)),
      workloads: tableOf(workloads.map(one => [one.id, catalogueWorkload(one)] as const)),
      problems: [],
    },
    resources,
    node: input.node ?? 'vm-1',
    settings: {
      trustDomain: 'mesh.test',
      dnsDomain: 'mesh',
      rootNamespace: 'weft-system',
      virtualIpRanges: ['240.240.0.0/16', 'fd77:6566:7400::/64'],
      trust: { sequence: 1, roots: ['ROOT'] },
      ...(input.defaultIdentity === undefined ? {} : { defaultIdentity: input.defaultIdentity }),
    },
    mayHold: (_, identity) => input.mayHold?.includes(identity) ?? false,
    keysOf: uri => input.keys?.[uri],
    mtls: mtlsVerdict(resources, { rootNamespace: 'weft-system', now: Date.UTC(2026, 0, 2) }),
  })
}
