import { formatSpiffeId, parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { Credential } from '../dataplane/messages.ts'
import type { Routes } from './http.ts'

export interface IdentityRouteDeps {
  readonly credentials: Watch<readonly Credential[]>
  readonly trust: Watch<TrustBundle>
}

/**
 * `POST /identity {identity}`, where the identity is `<namespace>/<service account>`: answers `{identity, key, chain,
 * roots}` of one that this agent holds now, PEM, or the error. For whoever may open the admin socket: they may read the
 * same keys in the state directory.
 */
export function identityRoute({ credentials, trust }: IdentityRouteDeps): Routes {
  const find = (name: string) => {
    const { trustDomain, roots, bannedIdentities = [] } = trust.value
    const identity = identityNamed(trustDomain, name)
    const held = credentials.value.find(credential => credential.identity === identity)
    if (held === undefined || bannedIdentities.includes(identity) || roots.length === 0) {
      throw new MeshError('WEFT_NOT_FOUND', 'this host holds no certificate of the identity', {
        fields: { identity },
        next: 'see weft status: nothing may place it here, or the server has not signed it yet',
      })
    }
    return { ...held, roots }
  }
  return {
    async 'POST /identity'(read) {
      try {
        return { status: 200, body: find(nameIn(await read())) }
      } catch (error) {
        if (!(error instanceof MeshError)) throw error
        const { code, message, next, fields } = error
        return { status: code === 'WEFT_NOT_FOUND' ? 404 : 400, body: { code, message, next, fields } }
      }
    },
  }
}

function nameIn(body: unknown): string {
  const isNamed = typeof body === 'object' && body !== null && 'identity' in body && typeof body.identity === 'string'
  if (!isNamed) throw new MeshError('WEFT_USAGE', 'identity is missing')
  return String(body.identity)
}

function identityNamed(trustDomain: string, name: string): string {
  const [namespace = '', serviceAccount = '', ...more] = name.split('/')
  if (more.length > 0 || serviceAccount === '') {
    throw new MeshError('WEFT_USAGE', 'the identity is not <namespace>/<service account>', {
      fields: { identity: name },
    })
  }
  return formatSpiffeId(parseSpiffeId(`spiffe://${trustDomain}/ns/${namespace}/sa/${serviceAccount}`))
}
