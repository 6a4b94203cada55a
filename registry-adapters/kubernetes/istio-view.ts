import { emptySnapshot, type RegistryProblem, type RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import { sharing } from '../../mesh/model/sharing.ts'
import { parseResource } from '../../mesh/resources/parse.ts'
import { describeProblem } from '../../mesh/resources/problem.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { snapshotFromResources } from '../../mesh/resources/to-model.ts'
import { objectOf, stringMap, text } from '../json.ts'
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
  readonly problems: readonly RegistryProblem[]
}

/** An empty view. They are few: any change translates all of them again, and shares what stayed the same. */
export function createIstioView(registry: string): IstioView {
  const parsed = new Map<string, Parsed>()
  let view = emptySnapshot
  let stale = false

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
      // ids of pods have the namespace in this place, which has no capital letters
      const prefix = `${registry}/Istio`
      const made = snapshotFromResources(
        prefix,
        all.flatMap(one => one.resource ?? []),
      )
      const workloads = made.workloads.with(made.workloads.entries().map(([id, one]) => [id, { ...one, registry }]))
      const problems = [...all.flatMap(one => one.problems), ...made.problems]
      view = sharing(view, { services: made.services, workloads, problems })
      return view
    },
  }
}

function parse(kind: IstioKind, name: string, resource: KubeResource): Parsed {
  const value = { ...withoutServerSide(resource), kind }
  const checked = parseResource({ file: name, value, locate: () => ({ line: 1, column: 1 }) })
  if (checked.kind === 'good') return { resource: checked.value, problems: [] }
  return { problems: checked.problems.map(problem => ({ item: name, reason: describeProblem(problem) })) }
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
