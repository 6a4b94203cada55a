import { MeshError } from '../../mesh/std/errors.ts'
import type { AttestorConfig } from '../attestor-config.ts'
import type { Attestor, EvidenceKind } from '../identity/attest/attestor.ts'
import { createJoinTokenAttestor } from '../identity/attest/join-token.ts'
import type { TokenRules } from '../identity/attest/jwt.ts'
import { createKeyRing } from '../identity/attest/key-ring.ts'
import { type KeySource, keyReader } from '../identity/attest/key-source.ts'
import { createNomadAttestor } from '../identity/attest/nomad.ts'
import { createNomadLookUp } from '../identity/attest/nomad-look-up.ts'
import type { JoinTokenStore } from '../store/store.ts'
import type { PartDeps } from './deps.ts'

export interface AttestorsDeps extends Pick<PartDeps, 'clock' | 'log' | 'started'> {
  readonly joinTokens: JoinTokenStore
}

/** Makes what judges evidence: join tokens always, others as they are set up. Throws WEFT_CONFIG_INVALID. */
export function createAttestors(
  deps: AttestorsDeps,
  configs: readonly AttestorConfig[],
): ReadonlyMap<EvidenceKind, Attestor> {
  const attestors = new Map<EvidenceKind, Attestor>([['join-token', createJoinTokenAttestor(deps.joinTokens)]])
  for (const config of configs) attestors.set(config.kind, createAttestor(deps, config))
  return attestors
}

function createAttestor({ clock, log, started }: AttestorsDeps, config: AttestorConfig): Attestor {
  const { address, region, tokenFile, caFile, certFile, keyFile, tlsServerName, nodeIdentities } = config
  const tls = given({ ca: caFile, cert: certFile, key: keyFile, serverName: tlsServerName })
  const lookUp = createNomadLookUp(
    {
      address,
      ...given({ region, tokenFile }),
      ...(Object.keys(tls).length === 0 ? {} : { tls }),
    },
    { clock },
  )
  started.add(async () => lookUp.close())
  return createNomadAttestor(lookUp, { ...tokenRules({ clock, log }, config), nodeIdentities })
}

interface TokenSettings extends KeySource {
  readonly audience: string
  readonly issuer: string
  readonly maxLifeSeconds: number
  readonly allowNoExpiry: boolean
}

function tokenRules(deps: Pick<AttestorsDeps, 'clock' | 'log'>, config: TokenSettings): TokenRules {
  const { jwksUrl, audience, issuer, maxLifeSeconds, allowNoExpiry } = config
  if (jwksUrl !== '' && !/^https?:$/.test(URL.parse(jwksUrl)?.protocol ?? '')) {
    throw invalid('jwksUrl', 'jwksUrl of an attestor must be an http or https URL')
  }
  if (!(maxLifeSeconds >= 60 && maxLifeSeconds <= 30 * 86_400)) {
    throw invalid('maxLifeSeconds', 'maxLifeSeconds of an attestor must be between 60 and 2592000')
  }
  return {
    keys: createKeyRing({ ...deps, load: keyReader(config, deps.clock) }),
    audience,
    issuer: issuer === '' ? undefined : issuer,
    maxLifeMs: maxLifeSeconds * 1000,
    allowNoExpiry,
  }
}

function invalid(key: string, message: string): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields: { key: `attestors.${key}` } })
}

/** The texts that are not empty. */
function given<K extends string>(texts: Readonly<Record<K, string>>): { readonly [P in K]?: string } {
  const entries = Object.entries<string>(texts).filter(([, text]) => text !== '')
  return Object.fromEntries(entries) as { readonly [P in K]?: string }
}
