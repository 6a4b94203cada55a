import { MeshError } from '../../mesh/std/errors.ts'
import type { FetchText } from '../outbound-fetch.ts'
import { discoveredUri, discoveryUrl, publicKeySet } from './key-set.ts'
import type { KeySource } from './key-sources.ts'

const maxBytes = 1024 * 1024

/**
 * Fetches the key set of a source, through the issuer's metadata where it is named by issuer. Throws a MeshError when
 * there is none; never answers anything but what was fetched.
 */
export async function fetchKeys(source: KeySource, fetchText: FetchText, signal: AbortSignal): Promise<string> {
  const options = { timeoutMs: source.timeoutMs, maxBytes }
  const uri = source.kind === 'jwks' ? source.uri : await discover(source.uri)
  const keys = publicKeySet(await fetchText(uri, options, signal))
  if (keys === undefined) throw nonsense('the answer is no JSON Web Key Set', uri)
  return keys

  async function discover(issuer: string): Promise<string> {
    if (!/^https?:\/\//i.test(issuer)) {
      const next = 'name the keys of the issuer in jwks or jwksUri'
      throw new MeshError('WEFT_URL_REFUSED', 'the issuer is no URL, and nothing says where its keys are', { next })
    }
    const url = discoveryUrl(issuer)
    const found = discoveredUri(await fetchText(url, options, signal), issuer)
    if (found === undefined) throw nonsense('the answer is no metadata of the issuer', url)
    return found
  }
}

function nonsense(message: string, uri: string): MeshError {
  return new MeshError('WEFT_URL_UNAVAILABLE', message, { fields: { url: URL.parse(uri)?.origin } })
}
