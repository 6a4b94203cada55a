import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
  JwtRule,
  PolicyScope,
  RequestAuthenticationSpec,
  TargetRef,
  WorkloadSelector,
} from '../model/policy.ts'
import { isConditionKey } from '../policy/condition-key.ts'
import { malformed } from './fields.ts'
import { anyText, duration, flag, listOf, mapOf, needed, objectOf, oneOf, type Shape, text } from './shape.ts'

type Part<T, Key extends keyof T> = Exclude<T[Key], undefined>

const texts = listOf(anyText)

const targetRef = objectOf<TargetRef>({
  group: text,
  kind: needed(oneOf('Service', 'ServiceEntry', 'Gateway', 'GatewayClass')),
  name: needed(text),
  namespace: text,
})

const scope = {
  selector: objectOf<WorkloadSelector>({ matchLabels: mapOf(anyText) }),
  targetRef,
  targetRefs: listOf(targetRef),
}

const source = objectOf<AuthorizationSource>({
  principals: texts,
  notPrincipals: texts,
  requestPrincipals: texts,
  notRequestPrincipals: texts,
  namespaces: texts,
  notNamespaces: texts,
  serviceAccounts: texts,
  notServiceAccounts: texts,
  trustDomains: texts,
  notTrustDomains: texts,
  ipBlocks: texts,
  notIpBlocks: texts,
  remoteIpBlocks: texts,
  notRemoteIpBlocks: texts,
})

const operation = objectOf<AuthorizationOperation>({
  hosts: texts,
  notHosts: texts,
  ports: texts,
  notPorts: texts,
  methods: texts,
  notMethods: texts,
  paths: texts,
  notPaths: texts,
})

/** What this version does not know how to compare is no condition it could leave out. */
const conditionKey: Shape<string> = (raw, path): raw is string => {
  if (anyText(raw, path) && isConditionKey(raw)) return true
  throw malformed(path, 'is an attribute that this version does not know')
}

const condition = objectOf<AuthorizationCondition>({ key: needed(conditionKey), values: texts, notValues: texts })

/** An AuthorizationPolicy's spec as it travels. */
export const authorizationPolicy = objectOf<AuthorizationPolicySpec>({
  ...scope,
  action: oneOf('ALLOW', 'DENY', 'AUDIT'),
  rules: listOf(
    objectOf<AuthorizationRule>({
      from: listOf(objectOf<Part<AuthorizationRule, 'from'>[number]>({ source: needed(source) })),
      to: listOf(objectOf<Part<AuthorizationRule, 'to'>[number]>({ operation: needed(operation) })),
      when: listOf(condition),
    }),
  ),
})

const jwtRule = objectOf<JwtRule>(
  {
    issuer: anyText,
    audiences: texts,
    jwksUri: text,
    jwks: anyText,
    fromHeaders: listOf(objectOf<Part<JwtRule, 'fromHeaders'>[number]>({ name: needed(anyText), prefix: anyText })),
    fromParams: texts,
    fromCookies: texts,
    outputPayloadToHeader: text,
    outputClaimToHeaders: listOf(
      objectOf<Part<JwtRule, 'outputClaimToHeaders'>[number]>({ header: needed(text), claim: needed(anyText) }),
    ),
    forwardOriginalToken: flag,
    timeout: duration,
    spaceDelimitedClaims: texts,
  },
  // OPTIONAL, which is how it is
  ['presence'],
)

/** Whom a policy is for, of its spec. */
export const policyScope = objectOf<PolicyScope>(scope)

/** A RequestAuthentication's spec as it travels. */
export const requestAuthentication = objectOf<RequestAuthenticationSpec>({ ...scope, jwtRules: listOf(jwtRule) })
