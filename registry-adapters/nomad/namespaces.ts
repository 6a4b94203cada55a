import { MeshError } from '../../mesh/std/errors.ts'
import { dnsLabel } from '../instance-names.ts'

/** Which namespaces of Nomad are read, and what they are in the mesh. */
export interface NamespaceRule {
  /** `*` for all that the token may read. */
  readonly read: '*' | readonly string[]
  /** For a namespace that is read. */
  meshNamespaceOf(namespace: string): string
}

/** Of a namespace of Nomad, as its API takes one. */
const nomadNamespace = /^[a-zA-Z0-9-]{1,128}$/

/**
 * Reads entries such as `default`, `payments=shop` and `*=other`: each is a namespace of Nomad, or `*` for all others,
 * with the mesh's namespace behind an equals sign where it has another name. None means `*`. Throws
 * WEFT_CONFIG_INVALID.
 */
export function parseNamespaceRule(entries: readonly string[]): NamespaceRule {
  const meshNames = new Map<string, string | undefined>(entries.length === 0 ? [['*', undefined]] : [])
  for (const entry of entries) {
    const [nomad = '', mesh, ...more] = entry.split('=').map(part => part.trim())
    if (more.length > 0 || (nomad !== '*' && !nomadNamespace.test(nomad))) {
      throw invalid('an entry must be a namespace of nomad, or *, and may name another one: payments=shop', entry)
    }
    if (mesh !== undefined && !dnsLabel.test(mesh)) throw invalid('a namespace of the mesh must be a DNS label', mesh)
    if (meshNames.has(nomad)) throw invalid('a namespace is named twice', nomad)
    meshNames.set(nomad, mesh)
  }
  return {
    read: meshNames.has('*') ? '*' : [...meshNames.keys()],
    meshNamespaceOf: namespace =>
      (meshNames.has(namespace) ? meshNames.get(namespace) : meshNames.get('*')) ?? namespace,
  }
}

function invalid(message: string, got: string): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields: { option: 'namespaces', got } })
}
