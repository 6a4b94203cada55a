import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext, type SecureContextOptions } from 'node:tls'
import { identitySni } from '../../mesh/identity/sni.ts'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { TrustResource } from '../../mesh/model/agent-config.ts'
import { PeerBans } from './hbone/peer-trust.ts'
import type { Credential } from './messages.ts'

/** One identity's TLS context, used for both directions. */
export interface IdentityContext {
  readonly identity: string
  readonly secureContext: SecureContext
  /** What it was made from. */
  readonly options: SecureContextOptions
}

/**
 * What both sides of mesh TLS insist on: TLS 1.3, AES-GCM, and no tickets, which would outlive a change of trust. A
 * server must be made with these too: of the context that the server name chooses, OpenSSL takes only the keys.
 */
export const meshTls = {
  minVersion: 'TLSv1.3',
  maxVersion: 'TLSv1.3',
  ciphers: 'TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384',
  secureOptions: constants.SSL_OP_NO_TICKET,
} as const

/** The TLS contexts of this host's identities, all made from the same trust bundle. */
export class TlsContexts {
  readonly #byIdentity = new Map<string, IdentityContext>()
  readonly #bySni = new Map<string, IdentityContext>()
  readonly #fingerprints = new Map<string, string>()
  /** Whom sessions must not be had with, whatever their certificates say. */
  readonly bans: PeerBans

  /**
   * An empty bundle trusts nobody: then there are no contexts at all. An identity whose key, chain and trust are the
   * same as before keeps its context of `before`. One whose key or chain OpenSSL cannot read has none: it must not
   * take the others down.
   */
  constructor(credentials: readonly Credential[], trust: TrustResource | undefined, before?: TlsContexts) {
    this.bans = new PeerBans(trust)
    if (trust === undefined || trust.roots.length === 0) return
    for (const credential of credentials) {
      const fingerprint = [credential.key, credential.chain, ...trust.roots].join('|')
      this.#fingerprints.set(credential.identity, fingerprint)
      const kept = before?.unchanged(credential.identity, fingerprint)
      const context = kept ?? contextOf(credential, trust.roots)
      if (context !== undefined) this.#add(context)
    }
  }

  /** The contexts for new credentials or a new trust bundle. */
  next(credentials: readonly Credential[], trust: TrustResource | undefined): TlsContexts {
    return new TlsContexts(credentials, trust, this)
  }

  /** The context of an identity, if it was made from exactly this. */
  unchanged(identity: string, fingerprint: string): IdentityContext | undefined {
    return this.#fingerprints.get(identity) === fingerprint ? this.#byIdentity.get(identity) : undefined
  }

  of(identity: string): IdentityContext | undefined {
    return this.#byIdentity.get(identity)
  }

  /**
   * The context that a client asks for by server name, which compares without case (RFC 6066 section 3). Where there is
   * only one, any name gets it: the client then sees whom it has reached, and refuses by that.
   */
  forServerName(serverName: string): IdentityContext | undefined {
    const plain = serverName.endsWith('.') ? serverName.slice(0, -1) : serverName
    return this.#bySni.get(plain.toLowerCase()) ?? this.sole
  }

  /**
   * What a client gets that sends no server name (ztunnel sends none): this host's identity where there is only one,
   * else nothing, because nobody could tell which one it wants.
   */
  get sole(): IdentityContext | undefined {
    const [only, ...others] = this.#bySni.values()
    return others.length === 0 ? only : undefined
  }

  #add(context: IdentityContext): void {
    this.#byIdentity.set(context.identity, context)
    const serverName = serverNameOf(context.identity)
    if (serverName !== undefined) this.#bySni.set(serverName, context)
  }
}

function contextOf({ identity, key, chain }: Credential, roots: readonly string[]): IdentityContext | undefined {
  const options = { ...meshTls, key, cert: chain, ca: [...roots] }
  try {
    return { identity, secureContext: createSecureContext(options), options }
  } catch {
    return undefined
  }
}

/** Undefined for an identity that cannot be asked for by name: it can call, and nobody can call it. */
function serverNameOf(identity: string): string | undefined {
  try {
    return parseSpiffeId(identity).kind === 'workload' ? identitySni(identity) : undefined
  } catch {
    return undefined
  }
}
