import { decodePrivateKey } from '../../mesh/identity/keys.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { parseCertificate } from '../../mesh/identity/x509.ts'
import type { X509BundlesResponse, X509Svid, X509SvidResponse } from '../../mesh/wire/workload-schema.ts'
import type { Credential } from '../dataplane/messages.ts'
import { splitChain } from '../identity/held-certificate.ts'

/** The whole answer to FetchX509SVID, in the order of the credentials. */
export function x509SvidResponse(credentials: readonly Credential[], trust: TrustBundle): X509SvidResponse {
  const bundle = derOfAll(trust.roots)
  return { svids: credentials.map(credential => svidOf(credential, bundle)) }
}

/** The whole answer to FetchX509Bundles. */
export function x509BundlesResponse({ trustDomain, roots }: TrustBundle): X509BundlesResponse {
  return { bundles: { [`spiffe://${trustDomain}`]: derOfAll(roots) } }
}

function svidOf({ identity, key, chain }: Credential, bundle: Uint8Array): X509Svid {
  return {
    spiffeId: identity,
    x509Svid: derOfAll(splitChain(chain)),
    x509SvidKey: decodePrivateKey(key).privateKey.export({ type: 'pkcs8', format: 'der' }),
    bundle,
  }
}

function derOfAll(certificates: readonly string[]): Buffer {
  return Buffer.concat(certificates.map(pem => parseCertificate(pem).der))
}
