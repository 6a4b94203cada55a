import { readFileSync } from 'node:fs'
import { assertNever } from '../../mesh/std/assert-never.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import type { AttestorConfig } from '../attestor-config.ts'
import type { Attestor, EvidenceKind } from '../identity/attest/attestor.ts'
import { createAwsAttestor } from '../identity/attest/aws.ts'
import { createAzureAttestor } from '../identity/attest/azure.ts'
import type { Challenges } from '../identity/attest/challenges.ts'
import { createConsulAttestor } from '../identity/attest/consul.ts'
import { createConsulLookUp } from '../identity/attest/consul-look-up.ts'
import { createGcpAttestor } from '../identity/attest/gcp.ts'
import { createJoinTokenAttestor } from '../identity/attest/join-token.ts'
import type { TokenRules } from '../identity/attest/jwt.ts'
import { createKeyRing } from '../identity/attest/key-ring.ts'
import { type KeySource, keyReader } from '../identity/attest/key-source.ts'
import { createKubernetesAttestor } from '../identity/attest/kubernetes.ts'
import { createKubernetesLookUp } from '../identity/attest/kubernetes-look-up.ts'
import { createNomadAttestor } from '../identity/attest/nomad.ts'
import { createNomadLookUp } from '../identity/attest/nomad-look-up.ts'
import { createX509Attestor } from '../identity/attest/x509.ts'
import type { JoinTokenStore } from '../store/store.ts'
import type { PartDeps } from './deps.ts'

export interface AttestorsDeps extends Pick<PartDeps, 'clock' | 'log' | 'started'> {
  readonly joinTokens: JoinTokenStore
  readonly challenges: Challenges
  readonly trustDomain: string
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

function createAttestor(deps: AttestorsDeps, config: AttestorConfig): Attestor {
  const { clock, started } = deps
  switch (config.kind) {
    case 'nomad': {
      const lookUp = createNomadLookUp(nomadClient(config), { clock })
      started.add(async () => lookUp.close())
      return createNomadAttestor(lookUp, { ...tokenRules(deps, config), nodeIdentities: config.nodeIdentities })
    }
    case 'kubernetes': {
      const lookUp = createKubernetesLookUp(given({ kubeconfig: config.kubeconfig, context: config.context }), {
        clock,
      })
      started.add(async () => lookUp.close())
      return createKubernetesAttestor(lookUp, tokenRules(deps, config))
    }
    case 'consul':
      requireUrl('address', config.address)
      return createConsulAttestor(createConsulLookUp(config, { clock }))
    case 'gcp':
      return createGcpAttestor(tokenRules(deps, config))
    case 'x509': {
      const authorities = readPem(config.authoritiesFile)
      return createX509Attestor(deps.challenges, { ...config, authorities, trustDomain: deps.trustDomain })
    }
    case 'aws':
      return createAwsAttestor({ certificates: readPem(config.certificatesFile), maxAgeMs: maxAgeOf(config) })
    case 'azure':
      return createAzureAttestor({
        ...config,
        authorities: readPem(config.authoritiesFile),
        maxAgeMs: maxAgeOf(config),
      })
    default:
      return assertNever(config)
  }
}

function maxAgeOf({ maxAgeSeconds }: { readonly maxAgeSeconds: number }): number {
  if (maxAgeSeconds >= 60 && maxAgeSeconds <= 365 * 86_400) return maxAgeSeconds * 1000
  throw invalid('maxAgeSeconds', 'maxAgeSeconds of an attestor must be between 60 and 31536000')
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'a file of an attestor cannot be read', { fields: { file }, cause })
  }
}

function nomadClient(config: Extract<AttestorConfig, { kind: 'nomad' }>) {
  const { address, region, tokenFile, caFile, certFile, keyFile, tlsServerName } = config
  const tls = given({ ca: caFile, cert: certFile, key: keyFile, serverName: tlsServerName })
  return { address, ...given({ region, tokenFile }), ...(Object.keys(tls).length === 0 ? {} : { tls }) }
}

function requireUrl(key: string, text: string): void {
  if (/^https?:$/.test(URL.parse(text)?.protocol ?? '')) return
  throw invalid(key, `${key} of an attestor must be an http or https URL`)
}

interface TokenSettings extends KeySource {
  readonly audience: string
  readonly issuer: string
  readonly maxLifeSeconds: number
  readonly allowNoExpiry: boolean
}

function tokenRules(deps: Pick<AttestorsDeps, 'clock' | 'log'>, config: TokenSettings): TokenRules {
  const { jwksUrl, audience, issuer, maxLifeSeconds, allowNoExpiry } = config
  if (jwksUrl !== '') requireUrl('jwksUrl', jwksUrl)
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
