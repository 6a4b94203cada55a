import type { ServiceMerge } from '../../mesh/resources/service-merge.ts'

/** A service as far as rules look at it. */
export interface MergeTarget {
  readonly namespace: string
  readonly name: string
  readonly hosts: readonly string[]
}

/** Which services a rule is for, as one line of a ServiceMerge or of the configuration says it. */
export interface MergeSelector {
  readonly kind: 'service' | 'host'
  /** `<namespace>/<name>` of services, or a host name; where {@link pattern} is true with `*` in it. */
  readonly text: string
  readonly pattern: boolean
  /** What it is for, in words; the same for two selectors of exactly the same services. */
  readonly words: string
  matches(service: MergeTarget): boolean
}

/** Services by `<namespace>/<name>`, where `*` stands for any text without a slash. */
export function serviceSelector(text: string): MergeSelector {
  const pattern = text.includes('*')
  const expression = pattern ? new RegExp(`^${text.replaceAll('*', '[^/]*')}$`) : undefined
  return {
    kind: 'service',
    text,
    pattern,
    words: `${pattern ? 'services' : 'service'} ${text}`,
    matches({ namespace, name }) {
      const key = `${namespace}/${name}`
      return expression === undefined ? key === text : expression.test(key)
    },
  }
}

/** Services by a host name or `*.<domain>`; only those of a namespace where one is given. */
function hostSelector(text: string, namespace: string | undefined): MergeSelector {
  const pattern = text.startsWith('*.')
  const suffix = text.slice(1)
  return {
    kind: 'host',
    text,
    pattern,
    words: `host ${text}${namespace === undefined ? '' : ` of namespace ${namespace}`}`,
    matches(service) {
      if (namespace !== undefined && service.namespace !== namespace) return false
      return pattern ? service.hosts.some(host => host.endsWith(suffix)) : service.hosts.includes(text)
    },
  }
}

/** A selector of a resource, at its place there; without one where it reaches out of its namespace and may not. */
export interface PlacedSelector {
  readonly path: readonly (string | number)[]
  readonly selector: MergeSelector | undefined
}

/** What a resource is for. Only in the root namespace may it name services, or hosts, of other namespaces. */
export function placedSelectors({ metadata, spec }: ServiceMerge, rootNamespace: string | undefined): PlacedSelector[] {
  const everywhere = metadata.namespace === rootNamespace
  const services = (spec.services ?? []).map((text, index) => {
    const [namespace, name] = text.includes('/') ? text.split('/') : [metadata.namespace, text]
    const allowed = everywhere || namespace === metadata.namespace
    return {
      path: ['spec', 'services', index],
      selector: allowed ? serviceSelector(`${namespace}/${name}`) : undefined,
    }
  })
  const hosts = (spec.hosts ?? []).map((text, index) => ({
    path: ['spec', 'hosts', index],
    selector: hostSelector(text, everywhere ? undefined : metadata.namespace),
  }))
  return [...services, ...hosts]
}
