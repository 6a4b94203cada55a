import type { KubernetesSettings } from './options.ts'

/** Resources of the API that are read, by their plural names. */
export type ObjectKind =
  | 'services'
  | 'endpointslices'
  | 'pods'
  | 'nodes'
  | 'serviceentries'
  | 'workloadentries'
  | 'workloadgroups'

/** One collection that is listed and watched. Everything the adapter ever asks is one of these. */
export interface Read {
  readonly kind: ObjectKind
  /** As messages call it: `pods`, or `pods of namespace shop`. */
  readonly name: string
  /** API group; empty for the core. */
  readonly group: string
  /** Versions of the group that will do, the preferred one first. */
  readonly versions: readonly string[]
  /** Absent for the whole cluster. */
  readonly namespace?: string
  /** `labelSelector` and `fieldSelector`. */
  readonly selectors: Readonly<Record<string, string>>
  /** Whether the metadata is all that is asked for (Kubernetes' PartialObjectMetadata). */
  readonly metadataOnly: boolean
}

export type Verb = 'list' | 'watch'

/** Slices that belong to no Service have no such label. */
const serviceNameLabel = 'kubernetes.io/service-name'
const istioVersions = ['v1', 'v1beta1']

/** What is read with these settings: with namespaces, each of them by itself, so that rights there suffice. */
export function readsOf(settings: KubernetesSettings): readonly Read[] {
  const { labelSelector, serviceAccounts, nodes, istio } = settings
  const core = { group: '', versions: ['v1'] }
  const networking = { group: 'networking.istio.io', versions: istioVersions, selectors: {}, metadataOnly: false }
  const namespaced: readonly Omit<Read, 'name'>[] = [
    { kind: 'services', ...core, selectors: labelSelector === undefined ? {} : { labelSelector }, metadataOnly: false },
    {
      kind: 'endpointslices',
      group: 'discovery.k8s.io',
      versions: ['v1'],
      selectors: { labelSelector: serviceNameLabel },
      metadataOnly: false,
    },
    {
      kind: 'pods',
      ...core,
      // finished pods are many where jobs run, and nobody's endpoints
      selectors: { fieldSelector: 'status.phase!=Succeeded,status.phase!=Failed' },
      metadataOnly: serviceAccounts === 'none',
    },
    ...(istio
      ? (['serviceentries', 'workloadentries', 'workloadgroups'] as const).map(kind => ({ kind, ...networking }))
      : []),
  ]
  return [
    ...namespaced.flatMap(read => inNamespaces(read, settings.namespaces)),
    ...(nodes ? [{ kind: 'nodes', name: 'nodes', ...core, selectors: {}, metadataOnly: true } as const] : []),
  ]
}

function inNamespaces(read: Omit<Read, 'name'>, namespaces: readonly string[]): readonly Read[] {
  if (namespaces.length === 0) return [{ ...read, name: read.kind }]
  return namespaces.map(namespace => ({ ...read, namespace, name: `${read.kind} of namespace ${namespace}` }))
}

/** Path and query of a read. */
export function pathOf(read: Read, version: string, query: Readonly<Record<string, string>>): string {
  const root = read.group === '' ? `/api/${version}` : `/apis/${read.group}/${version}`
  const place = read.namespace === undefined ? '' : `/namespaces/${read.namespace}`
  return `${root}${place}/${read.kind}?${new URLSearchParams({ ...read.selectors, ...query })}`
}

/** The Accept header of a read; a server that knows no projection answers with whole objects. */
export function acceptOf(read: Read, verb: Verb): string {
  if (!read.metadataOnly) return 'application/json'
  const as = verb === 'list' ? 'PartialObjectMetadataList' : 'PartialObjectMetadata'
  return `application/json;as=${as};g=meta.k8s.io;v=v1, application/json`
}

/** The RBAC rule that a read needs, as it would be written, and where. */
export function ruleOf(read: Read): string {
  const rule = `apiGroups ["${read.group}"] resources ["${read.kind}"] verbs ["list", "watch"]`
  return read.namespace === undefined ? `${rule} in a ClusterRole` : `${rule} in a Role of namespace ${read.namespace}`
}
