import { constants } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { identitySni } from '../../mesh/identity/sni.ts'
import { parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import type { TrustResource } from '../../mesh/model/agent-config.ts'
import type { Credential } from './messages.ts'

/** One identity's TLS context, used for both directions, and the moment its certificate was put to use. */
export interface IdentityContext {
  readonly identity: string
  readonly secureContext: SecureContext
}

/** What both sides of mesh TLS insist on: TLS 1.3, AES-GCM, and no tickets, which would outlive a change of trust. */
const meshTls = {
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

  /**
   * An empty bundle trusts nobody: then there are no contexts at all. An identity whose key, chain and trust are the
   * same as before keeps its context of `before`.
   */
  constructor(credentials: readonly Credential[], trust: TrustResource | undefined, before?: TlsContexts) {
    if (trust === undefined || trust.roots.length === 0) return
    for (const credential of credentials) {
      const fingerprint = [credential.key, credential.chain, ...trust.roots].join('|')
      this.#fingerprints.set(credential.identity, fingerprint)
      const kept = before?.unchanged(credential.identity, fingerprint)
      if (kept !== undefined) {
        this.#add(kept)
        continue
      }
      const secureContext = createSecureContext({
        ...meshTls,
        key: credential.key,
        cert: credential.chain,
        ca: [...trust.roots],
      })
      this.#add({ identity: credential.identity, secureContext })
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
   * The context that a client asks for by server name. A client that names none (another HBONE implementation) gets
   * this host's identity where there is only one.
   */
  forServerName(serverName: string): IdentityContext | undefined {
    const named = this.#bySni.get(serverName)
    if (named !== undefined || this.#byIdentity.size !== 1) return named
    return [...this.#byIdentity.values()][0]
  }

  #add(context: IdentityContext): void {
    this.#byIdentity.set(context.identity, context)
    if (parseSpiffeId(context.identity).kind === 'workload') this.#bySni.set(identitySni(context.identity), context)
  }
}
