import t from 'tap'
import { resourceName } from '../../../../mesh/model/agent-config.ts'
import { decodeResource, encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { agentConfigOf, restoreResources } from '../../../../mesh/wire/held-resources.ts'
import { schema } from '../../../../mesh/wire/schema.ts'
import { authorizationResource, wholePolicyResources } from '../../../support/policies.ts'
import { hostResource, trustResource, workloadResource } from '../../../support/resources.ts'

const kinds = {
  AuthorizationPolicy: 'POLICY_KIND_AUTHORIZATION_POLICY',
  RequestAuthentication: 'POLICY_KIND_REQUEST_AUTHENTICATION',
} as const

function decode(kind: keyof typeof kinds, spec: string) {
  const policy = { kind: kinds[kind], namespace: 'shop', name: 'cart', createdAt: 7, spec: Buffer.from(spec) }
  return decodeResource(`policy/${kind}/shop/cart`, schema().agentResource.encode({ policy }))
}

t.test('every kind comes back as it was, with every field it can have', async t => {
  for (const resource of wholePolicyResources) {
    const { name, body } = encodeResource(resource)
    t.equal(name, resourceName(resource))
    t.same(decodeResource(name, body), JSON.parse(JSON.stringify(resource)), name)
  }
  t.same(wholePolicyResources.map(resourceName), [
    'policy/AuthorizationPolicy/shop/cart',
    'policy/RequestAuthentication/shop/people',
  ])
})

t.test('the same spec gives the same bytes in whatever order it was written, and a dry run others', async t => {
  const one = encodeResource(authorizationResource('cart', { action: 'DENY', rules: [{}] }))
  t.equal(encodeResource(authorizationResource('cart', { rules: [{}], action: 'DENY' })).hash, one.hash)
  const tried = encodeResource(authorizationResource('cart', { action: 'DENY', rules: [{}] }, { dryRun: true }))
  t.not(tried.hash, one.hash)
  t.same([one.needs, tried.needs], [undefined, 'policy-dry-run'])
})

t.test('what this version does not know makes the policy unusable, wherever it stands', async t => {
  for (const [kind, spec, path] of [
    ['AuthorizationPolicy', '{"provider":{"name":"opa"}}', ''],
    ['AuthorizationPolicy', '{"action":"CUSTOM"}', '.action'],
    ['AuthorizationPolicy', '{"rules":[{"from":[{"source":{"labels":["a"]}}]}]}', '.rules[0].from[0].source'],
    ['AuthorizationPolicy', '{"rules":[{"from":[{}]}]}', '.rules[0].from[0].source'],
    ['AuthorizationPolicy', '{"rules":[{"when":[{"key":"request.time","values":["x"]}]}]}', '.rules[0].when[0].key'],
    [
      'AuthorizationPolicy',
      '{"rules":[{"to":[{"operation":{"methods":"GET"}}]}]}',
      '.rules[0].to[0].operation.methods',
    ],
    ['AuthorizationPolicy', '{"targetRefs":[{"kind":"Pod","name":"a"}]}', '.targetRefs[0].kind'],
    ['AuthorizationPolicy', '{"rules":[null]}', '.rules[0]'],
    ['RequestAuthentication', '{"jwtRules":[{"issuer":"a","timeout":"soon"}]}', '.jwtRules[0].timeout'],
    ['RequestAuthentication', '{"jwtRules":[{"issuer":"a","locations":[]}]}', '.jwtRules[0]'],
  ] as const) {
    const field = `resource policy/${kind}/shop/cart.policy.spec${path}`
    t.throws(() => decode(kind, spec), { code: 'WEFT_WIRE', fields: { field } }, spec)
  }
  t.match(decode('RequestAuthentication', '{"jwtRules":[{"issuer":"a","presence":"OPTIONAL"}]}'), { dryRun: false })
})

t.test('an agent’s config has the policies by kind, with the names of the mesh', async t => {
  const mesh = {
    kind: 'traffic',
    resource: 'MeshSettings',
    namespace: 'weft-system',
    name: 'mesh',
    createdAt: 1,
    spec: { trustDomainAliases: ['old.example'] },
  } as const
  const resources = [hostResource, trustResource(), mesh, ...wholePolicyResources]
  const config = agentConfigOf(restoreResources(resources.map(encodeResource)).held)
  const { rootNamespace, trustDomain } = hostResource
  t.match(config?.policies, { rootNamespace, trustDomain, trustDomainAliases: ['old.example'] })
  t.same(
    [...(config?.policies.authorization ?? []), ...(config?.policies.requestAuthentication ?? [])].map(policy => {
      return [policy.namespace, policy.name, policy.dryRun, policy.createdAt]
    }),
    [
      ['shop', 'cart', true, Date.UTC(2026, 0, 2, 3, 4, 5)],
      ['shop', 'people', false, Date.UTC(2026, 0, 2, 3, 4, 5)],
    ],
  )
  t.same(agentConfigOf(restoreResources([hostResource, trustResource()].map(encodeResource)).held)?.policies, {
    rootNamespace,
    trustDomain,
    trustDomainAliases: [],
    authorization: [],
    requestAuthentication: [],
    unreadable: [],
  })
})

t.test('a port says what it would be with the policies that are tried, and all services that it is of', async t => {
  const port = { port: 80, protocol: 'http', mtls: 'PERMISSIVE', mtlsFrom: 'default', service: 'shop/cart' } as const
  const more = { mtlsDryRun: { mode: 'STRICT', from: 'shop/strict' }, otherServices: ['shop/cart-v2'] } as const
  const tried = { ...port, ...more }
  const { name, body } = encodeResource({ ...workloadResource, ports: [port, tried] })
  t.match(decodeResource(name, body), { ports: [port, tried] })
  const resource = decodeResource(name, body)
  t.notOk(resource.kind === 'workload' && resource.ports[0] !== undefined && 'mtlsDryRun' in resource.ports[0])
})
