import { request } from 'node:http'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'

/** The address that all clouds have their metadata service at. */
const defaultOrigin = 'http://169.254.169.254'
const deadlineMs = 5_000
const maxBytes = 64 * 1024

/**
 * Asks the metadata service of a cloud for the signed document of this machine: of aws by IMDSv2 the PKCS #7 with RSA-2048,
 * of gcp an identity token in the full format, of azure attested data. Throws WEFT_SERVER_UNREACHABLE.
 */
export async function askMetadata(
  kind: 'aws' | 'gcp' | 'azure',
  audience: string,
  clock: Clock,
  origin = defaultOrigin,
): Promise<string> {
  const get = (path: string, headers: Readonly<Record<string, string>>, method = 'GET') =>
    exchange(`${origin}${path}`, method, headers, clock)
  switch (kind) {
    case 'aws': {
      const token = await get('/latest/api/token', { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }, 'PUT')
      return get('/latest/dynamic/instance-identity/rsa2048', { 'x-aws-ec2-metadata-token': token })
    }
    case 'gcp': {
      const query = new URLSearchParams({ audience, format: 'full' })
      const path = '/computeMetadata/v1/instance/service-accounts/default/identity'
      return get(`${path}?${query}`, { 'metadata-flavor': 'Google' })
    }
    case 'azure':
      return signatureIn(await get('/metadata/attested/document?api-version=2021-02-01', { metadata: 'true' }))
  }
}

/** Azure wraps the signed data in JSON. */
function signatureIn(text: string): string {
  const value: unknown = JSON.parse(text)
  const { signature } = { signature: undefined, ...(typeof value === 'object' ? value : null) }
  if (typeof signature === 'string') return signature
  throw new MeshError('WEFT_SERVER_UNREACHABLE', 'the metadata service gives no signed document')
}

function exchange(
  url: string,
  method: string,
  headers: Readonly<Record<string, string>>,
  clock: Clock,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(
        new MeshError('WEFT_SERVER_UNREACHABLE', 'the metadata service cannot be asked', { fields: { url }, cause }),
      )
    const sent = request(url, { method, headers, agent: false }, response => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > maxBytes) sent.destroy(new Error('the answer is too large'))
        else chunks.push(chunk)
      })
      response.on('error', fail)
      response.on('end', () => {
        if (response.statusCode !== 200) fail(new Error(`status ${response.statusCode}`))
        else resolve(Buffer.concat(chunks).toString('utf8').trim())
      })
    })
    const deadline = clock.timer(deadlineMs, () => sent.destroy(new Error('no answer in time')))
    sent.on('close', () => deadline.cancel())
    sent.on('error', fail)
    sent.end()
  })
}
