import { emptySnapshot, type RegistryProblem, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import { parseResource } from '../../mesh/resources/parse.ts'
import { describeProblem } from '../../mesh/resources/problem.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { snapshotFromResources } from '../../mesh/resources/to-model.ts'
import { workloadId } from '../../mesh/resources/workload-to-model.ts'
import { isObject, items, objectOf, stringMap, text } from '../json.ts'
import { firstLine } from '../quoted.ts'
import type { KubeResource, ObjectKey } from './objects.ts'

/** Istio's resources of the cluster, as services and workloads. */
export interface IstioView {
  /** Takes a resource of a kind as it is now; undefined: it is gone. */
  set(kind: IstioKind, key: ObjectKey, resource: KubeResource | undefined): void
  /** The view with everything taken so far; the same object when nothing that shows has changed. */
  take(): RegistrySnapshot
}

export type IstioKind = 'ServiceEntry' | 'WorkloadEntry' | 'WorkloadGroup'

interface Parsed {
  readonly resource?: Resource
  /** What Istio's own health checks of a WorkloadEntry found, when that is bad. */
  readonly sickness?: string
  readonly problems: readonly RegistryProblem[]
}

/** An empty view. They are few: any change translates all of them again, and shares what stayed the same. */
export function createIstioView(registry: string): IstioView {
  const parsed = new Map<string, Parsed>()
  let view = emptySnapshot
  let stale = false
  // ids of pods have the namespace in this place, which has no capital letters
  const prefix = `${registry}/Istio`
  const idOf = ({ resource }: Parsed) =>
    resource?.kind === 'WorkloadEntry' ? workloadId(prefix, resource.metadata.namespace, resource.metadata.name) : ''

  return {
    set(kind, key, resource) {
      const name = `${kind} ${key}`
      if (resource === undefined) parsed.delete(name)
      else parsed.set(name, parse(kind, name, resource))
      stale = true
    },
    take() {
      if (!stale) return view
      stale = false
      const all = [...parsed].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one)
      const made = snapshotFromResources(
        prefix,
        all.flatMap(one => one.resource ?? []),
      )
      const sicknesses = new Map(all.map(one => [idOf(one), one.sickness]))
      const own = made.workloads
        .entries()
        .map(([id, one]) => [id, { ...one, registry, ...healthOf(sicknesses.get(id)) }] as const)
      const workloads = made.workloads.with(own)
      const problems = [...all.flatMap(one => one.problems), ...made.problems]
      view = sharing(view, { services: made.services, workloads, problems })
      return view
    },
  }
}

function parse(kind: IstioKind, name: string, resource: KubeResource): Parsed {
  const value = { ...withoutServerSide(resource), kind }
  const checked = parseResource({ file: name, value, locate: () => ({ line: 1, column: 1 }) })
  if (checked.kind === 'good') {
    const sickness = sicknessIn(resource)
    return { resource: checked.value, ...(sickness !== undefined && { sickness }), problems: [] }
  }
  return { problems: checked.problems.map(problem => ({ item: name, reason: describeProblem(problem) })) }
}

/** The condition that istiod writes into a WorkloadEntry whose WorkloadGroup has a probe. */
function sicknessIn({ status }: KubeResource): string | undefined {
  const conditions = items(objectOf(status).conditions).filter(isObject)
  const found = conditions.find(one => one.type === 'Healthy' && one.status === 'False')
  return found === undefined ? undefined : firstLine(`istio found it unhealthy: ${text(found.message)}`)
}

function healthOf(sickness: string | undefined): Partial<Workload> {
  return sickness === undefined ? {} : { health: 'unhealthy', healthReason: sickness }
}

/** What the API server, kubectl and Istio's own control plane write into an object, besides what somebody declared. */
const bookkeeping = new Set([
  'kubectl.kubernetes.io/last-applied-configuration',
  'istio.io/autoRegistrationGroup',
  'istio.io/connectedAt',
  'istio.io/disconnectedAt',
  'istio.io/workloadController',
])

function withoutServerSide({ apiVersion, metadata, spec }: KubeResource): object {
  const { name, namespace, labels, annotations, creationTimestamp } = objectOf(metadata)
  const kept = Object.entries(stringMap(annotations)).filter(([key]) => !bookkeeping.has(key))
  return {
    apiVersion,
    metadata: {
      name,
      namespace: text(namespace) || 'default',
      ...(labels !== undefined && { labels }),
      ...(kept.length > 0 && { annotations: Object.fromEntries(kept) }),
      ...(creationTimestamp !== undefined && { creationTimestamp }),
    },
    ...(spec !== undefined && { spec }),
  }
}
