import { createHash } from 'node:crypto'
import type {
  AuthorizationPolicySpec,
  Policy,
  PolicyConfig,
  RequestAuthenticationSpec,
} from '../../../mesh/model/policy.ts'
import { policyApplies, unreadableOf } from '../../../mesh/policy/authorization/applies.ts'
import { type Authorization, compileAuthorization } from '../../../mesh/policy/authorization.ts'
import {
  compileRequestAuthentication,
  type RequestAuthentication,
  type TokenTarget,
} from '../../../mesh/policy/request-authentication.ts'

/** Policies by namespace: only those of the root's and of a workload's own can hold for it. */
export class PolicyIndex {
  readonly #config: PolicyConfig
  #authorization: Map<string, Policy<AuthorizationPolicySpec>[]> | undefined
  #requestAuthentication: Map<string, Policy<RequestAuthenticationSpec>[]> | undefined

  constructor(config: PolicyConfig) {
    this.#config = config
  }

  /** The config with only the policies that hold for a workload. */
  for(target: TokenTarget): PolicyConfig {
    const config = this.#config
    this.#authorization ??= Map.groupBy(config.authorization, ({ namespace }) => namespace)
    this.#requestAuthentication ??= Map.groupBy(config.requestAuthentication, ({ namespace }) => namespace)
    return {
      ...config,
      authorization: this.#holding(this.#authorization, target),
      requestAuthentication: this.#holding(this.#requestAuthentication, target),
      unreadable: [unreadableOf(config, target) ?? []].flat(),
    }
  }

  #holding<One extends Parameters<typeof policyApplies>[0]>(
    all: ReadonlyMap<string, One[]>,
    target: TokenTarget,
  ): One[] {
    const { rootNamespace } = this.#config
    const namespaces = new Set([rootNamespace, target.namespace])
    return [...namespaces].flatMap(name =>
      (all.get(name) ?? []).filter(policy => policyApplies(policy, target, rootNamespace)),
    )
  }
}

/** What holds for one port, each prepared when it is first asked for. */
export class PreparedPolicy {
  /** SHA-256 of all that it was prepared from. */
  readonly key: string
  readonly #config: PolicyConfig
  readonly #target: TokenTarget
  #http: Authorization | undefined
  #tcp: Authorization | undefined
  #tokens: { readonly prepared: RequestAuthentication | undefined } | undefined

  constructor(key: string, config: PolicyConfig, target: TokenTarget) {
    this.key = key
    this.#config = config
    this.#target = target
  }

  /** For requests. */
  get http(): Authorization {
    this.#http ??= compileAuthorization(this.#config, { ...this.#target, protocol: 'http' })
    return this.#http
  }

  /** For connections of which only their ends are known. */
  get tcp(): Authorization {
    this.#tcp ??= compileAuthorization(this.#config, { ...this.#target, protocol: 'tcp' })
    return this.#tcp
  }

  /** Undefined when nobody asks for tokens. */
  get tokens(): RequestAuthentication | undefined {
    this.#tokens ??= { prepared: compileRequestAuthentication(this.#config, this.#target) }
    return this.#tokens.prepared
  }

  /** Whether some rule in force is about tokens of requests. */
  get asksForTokens(): boolean {
    return this.#config.requestAuthentication.some(({ dryRun, spec }) => !dryRun && (spec.jwtRules ?? []).length > 0)
  }

  /** Whether some rule asks which name a client's TLS is for. */
  get asksServerName(): boolean {
    return this.#config.authorization.some(({ spec }) =>
      (spec.rules ?? []).some(({ when = [] }) => when.some(({ key }) => key === 'connection.sni')),
    )
  }
}

/**
 * The policies of one port of a workload. Making it costs nothing, whatever the number of policies; what was prepared for
 * the table before is kept, with the tokens that it has verified, where nothing that it was made of has changed.
 */
export class TargetPolicy {
  readonly #index: PolicyIndex
  readonly #target: TokenTarget
  #before: PreparedPolicy | undefined
  #prepared: PreparedPolicy | undefined

  constructor(index: PolicyIndex, target: TokenTarget, before?: TargetPolicy) {
    this.#index = index
    this.#target = target
    this.#before = before === undefined ? undefined : (before.#prepared ?? before.#before)
  }

  /** The same object for as long as nothing has changed. */
  get prepared(): PreparedPolicy {
    if (this.#prepared !== undefined) return this.#prepared
    const config = this.#index.for(this.#target)
    const key = createHash('sha256')
      .update(JSON.stringify([this.#target, config]))
      .digest('base64')
    this.#prepared = this.#before?.key === key ? this.#before : new PreparedPolicy(key, config, this.#target)
    this.#before = undefined
    return this.#prepared
  }
}
