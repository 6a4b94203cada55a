import type {
  AuthorizationCondition,
  AuthorizationOperation,
  AuthorizationPolicySpec,
  AuthorizationSource,
  JwtRule,
  RequestAuthenticationSpec,
} from '../../mesh/model/policy.ts'
import type { PolicyResource } from '../../mesh/model/policy-resource.ts'

const place = { kind: 'policy', namespace: 'shop', createdAt: Date.UTC(2026, 0, 2, 3, 4, 5), dryRun: false } as const

/** Policies for tests that send them around; the whole ones below have every field there is. */
export function authorizationResource(
  name: string,
  spec: AuthorizationPolicySpec,
  values: { readonly namespace?: string; readonly dryRun?: boolean } = {},
): PolicyResource {
  return { ...place, resource: 'AuthorizationPolicy', name, spec, ...values }
}

const source: Required<AuthorizationSource> = {
  principals: ['mesh.test/ns/web/sa/web', '*'],
  notPrincipals: ['old.example/*'],
  requestPrincipals: ['https://id.example/*'],
  notRequestPrincipals: ['*/root'],
  namespaces: ['web'],
  notNamespaces: ['guest*'],
  serviceAccounts: ['web/web'],
  notServiceAccounts: ['bad'],
  trustDomains: ['mesh.test'],
  notTrustDomains: ['old.*'],
  ipBlocks: ['10.0.0.0/8'],
  notIpBlocks: ['10.0.0.1'],
  remoteIpBlocks: ['2001:db8::/32'],
  notRemoteIpBlocks: ['2001:db8::1'],
}

const operation: Required<AuthorizationOperation> = {
  hosts: ['*.shop.example'],
  notHosts: ['old.shop.example:80'],
  ports: ['8080'],
  notPorts: ['22'],
  methods: ['GET', 'P*'],
  notMethods: ['PATCH'],
  paths: ['/v1/{*}/items', '/é\t'],
  notPaths: ['/admin/*'],
}

const condition: Required<AuthorizationCondition> = {
  key: 'request.auth.claims[groups][a b]',
  values: ['ann', 'two\nlines'],
  notValues: [''],
}

const targetRefs = [
  { kind: 'Service', name: 'cart' },
  { kind: 'ServiceEntry', group: 'networking.istio.io', name: 'cart', namespace: '' },
]

const wholeAuthorization: Required<AuthorizationPolicySpec> = {
  selector: { matchLabels: { app: 'cart', __proto__x: '' } },
  targetRef: targetRefs[0],
  targetRefs,
  action: 'DENY',
  rules: [{ from: [{ source }, { source: {} }], to: [{ operation }], when: [condition] }, {}],
}

const jwtRule: Required<JwtRule> = {
  issuer: 'https://id.example',
  audiences: ['cart'],
  jwksUri: 'https://id.example/keys',
  jwks: '{"keys":[]}',
  fromHeaders: [{ name: 'x-jwt', prefix: 'Bearer ' }, { name: 'x-other' }],
  fromParams: ['token'],
  fromCookies: ['sid'],
  outputPayloadToHeader: 'x-payload',
  outputClaimToHeaders: [{ header: 'x-sub', claim: 'sub' }],
  forwardOriginalToken: true,
  timeout: '1.5s',
  spaceDelimitedClaims: ['scp'],
}

const wholeAuthentication: Required<RequestAuthenticationSpec> = {
  selector: {},
  targetRef: undefined,
  targetRefs: [],
  jwtRules: [jwtRule, { issuer: 'a' }],
}

/** One of each kind with everything that it can say. */
export const wholePolicyResources: readonly PolicyResource[] = [
  authorizationResource('cart', wholeAuthorization, { dryRun: true }),
  { ...place, resource: 'RequestAuthentication', name: 'people', spec: wholeAuthentication },
]
