import { MeshError } from '../std/errors.ts'
import { parseSpiffeId } from './spiffe-id.ts'

/** Longest server name TLS libraries accept (OpenSSL's TLSEXT_MAXLEN_host_name). */
const maxServerNameBytes = 255

/**
 * The TLS server name (RFC 6066 section 3) by which a client says which workload identity of a host it wants to talk
 * to: `<service-account>.<namespace>.ns.<trust-domain>`. No two workload ids have the same one: names are lower case
 * (a server name compares without case), the namespace has no dots, and a service account whose dots would let the
 * `.ns.` marker be read at two places is refused. It only chooses a certificate; the peer's id is checked regardless.
 * Throws WEFT_SPIFFE_ID for ids that are not of a workload or have no server name.
 */
export function identitySni(spiffeId: string): string {
  const id = parseSpiffeId(spiffeId)
  if (id.kind !== 'workload') throw refused('only workloads have a tls server name', spiffeId)
  const owner = [...id.serviceAccount.split('.'), id.namespace]
  if (owner.indexOf('ns', 2) !== -1) throw refused('service account is ambiguous as a tls server name', spiffeId)
  const name = `${owner.join('.')}.ns.${id.trustDomain}`
  if (name.length > maxServerNameBytes) throw refused('identity is too long for a tls server name', spiffeId)
  return name
}

function refused(message: string, id: string): MeshError {
  return new MeshError('WEFT_SPIFFE_ID', message, { fields: { id } })
}
