import { createPrivateKey, sign } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { type KeyPair, spkiHash } from '../../mesh/identity/keys.ts'
import { possessionText } from '../../mesh/identity/possession.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { EvidenceName } from '../config.ts'
import type { AskServer } from './join.ts'
import { askMetadata } from './metadata-service.ts'

export interface EvidenceSource {
  readonly kind: Exclude<EvidenceName, ''>
  /** Empty where the metadata service of a cloud is asked. */
  readonly file: string
  /** For the metadata service of gcp. */
  readonly audience: string
  readonly node: string
}

/**
 * Gets what this host is known by, as text for the server. Throws WEFT_CONFIG_INVALID for a file that cannot be read or
 * used, WEFT_USAGE when no file is named where there must be one, WEFT_SERVER_UNREACHABLE when there is no metadata service.
 */
export async function gatherEvidence(
  source: EvidenceSource,
  ask: AskServer,
  keys: KeyPair,
  clock: Clock,
): Promise<string> {
  const { kind, file, audience } = source
  if (kind === 'x509') return proveCertificate(await readText(file), source.node, ask, keys)
  if (file !== '') return (await readText(file)).trim()
  if (kind === 'aws' || kind === 'gcp' || kind === 'azure') return askMetadata(kind, audience, clock)
  throw new MeshError('WEFT_USAGE', 'join.evidenceFile is not set', { fields: { evidence: kind } })
}

async function proveCertificate(pem: string, node: string, ask: AskServer, keys: KeyPair): Promise<string> {
  const chain = pem.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []
  const [keyPem] = pem.match(/-----BEGIN [A-Z ]*PRIVATE KEY-----[^-]+-----END [A-Z ]*PRIVATE KEY-----/) ?? []
  if (chain.length === 0 || keyPem === undefined) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'the evidence file must have a certificate and its key, PEM')
  }
  const { challenge, trustDomain } = readChallenge(await ask('/v1/join/challenge', {}))
  const text = possessionText({ trustDomain, node, keyHash: spkiHash(keys.publicKey), challenge })
  const key = createPrivateKey(keyPem)
  const signature = sign(key.asymmetricKeyType === 'ed25519' ? null : 'sha256', text, key).toString('hex')
  return JSON.stringify({ chain: chain.join('\n'), challenge, signature })
}

function readChallenge(answer: unknown): { readonly challenge: string; readonly trustDomain: string } {
  const fields = typeof answer === 'object' ? answer : null
  const { challenge, trustDomain } = { challenge: undefined, trustDomain: undefined, ...fields }
  if (typeof challenge === 'string' && typeof trustDomain === 'string') return { challenge, trustDomain }
  throw new MeshError('WEFT_WIRE', 'the server gave no challenge that this agent understands')
}

async function readText(file: string): Promise<string> {
  if (file === '') throw new MeshError('WEFT_USAGE', 'join.evidenceFile is not set')
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'the evidence cannot be read', { fields: { file }, cause })
  }
}
