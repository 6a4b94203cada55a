import t from 'tap'
import { policyApplies } from '../../../../mesh/policy/authorization/applies.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import type { Resource } from '../../../../mesh/resources/resource.ts'
import { decodeResource, encodeResource } from '../../../../mesh/wire/agent-config-codec.ts'
import { createPolicyCompiler } from '../../../../server/compile/policy.ts'
import { indexPolicies } from '../../../../server/compile/policy-index.ts'
import { validationCases } from '../../../support/istio-recordings.ts'

const set = '{"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]}'
const noKeys = () => undefined

function read(...documents: readonly { kind: string; metadata: object; spec: object }[]): readonly Resource[] {
  return documents.flatMap(document => {
    const { resources, problems } = parseResources(
      JSON.stringify({ apiVersion: 'security.istio.io/v1', ...document }),
      'policies.yaml',
    )
    t.same(problems, [])
    return resources
  })
}

function authorization(name: string, spec: object = {}, namespace = 'shop') {
  return { kind: 'AuthorizationPolicy', metadata: { name, namespace }, spec }
}

function authentication(name: string, ...jwtRules: readonly object[]) {
  return { kind: 'RequestAuthentication', metadata: { name, namespace: 'shop' }, spec: { jwtRules } }
}

t.test('what is read again and is the same stays the same object, what changed does not', async t => {
  const compile = createPolicyCompiler()
  const before = compile(read(authorization('a'), authorization('gone')), noKeys)
  t.equal(compile(read(authorization('a'), authorization('gone')), noKeys), before)
  const after = compile(read(authorization('a'), authorization('new')), noKeys)
  t.same([...after.keys()], ['policy/AuthorizationPolicy/shop/a', 'policy/AuthorizationPolicy/shop/new'])
  t.equal(after.get('policy/AuthorizationPolicy/shop/a'), before.get('policy/AuthorizationPolicy/shop/a'))
})

t.test('keys that come later change the policies that need them, and no other', async t => {
  const compile = createPolicyCompiler()
  const resources = read(authentication('a', { issuer: 'x' }), authentication('b', { issuer: 'y', jwks: set }))
  const [a, b] = ['a', 'b'].map(name => `policy/RequestAuthentication/shop/${name}`)
  const before = compile(resources, noKeys)
  t.match(before.get(a ?? ''), { spec: { jwtRules: [{ issuer: 'x', jwks: '{"keys":[]}' }] } })
  const after = compile(resources, uri => (uri === 'x' ? set : undefined))
  t.match(after.get(a ?? ''), { spec: { jwtRules: [{ issuer: 'x', jwks: set }] } })
  t.equal(after.get(b ?? ''), before.get(b ?? ''))
})

t.test('a set that is not one refuses every token, whoever has sent it', async t => {
  const compiled = createPolicyCompiler()(read(authentication('a', { jwksUri: 'https://x.example' })), () => '<html>')
  t.match([...compiled.values()], [{ spec: { jwtRules: [{ jwks: '{"keys":[]}' }] } }])
})

t.test('whatever operators may write reaches the agents and means the same there', async t => {
  const problems: string[] = []
  const counts: Record<string, number> = {}
  for (const { id, yaml } of validationCases()) {
    const { resources } = parseResources(yaml, `${id}.yaml`)
    for (const resource of createPolicyCompiler()(resources, noKeys).values()) {
      const { name, hash, body } = encodeResource(resource)
      counts[resource.resource] = (counts[resource.resource] ?? 0) + 1
      try {
        if (encodeResource(decodeResource(name, body)).hash !== hash) problems.push(`${id} came back as another`)
      } catch (error) {
        problems.push(`${id}: ${String(error)}`)
      }
    }
  }
  t.same(problems, [])
  for (const kind of ['AuthorizationPolicy', 'RequestAuthentication']) t.ok((counts[kind] ?? 0) > 100, kind)
})

t.test('the index finds what applies, whatever policies choose by', async t => {
  const scopes = [
    {},
    { selector: {} },
    { selector: { matchLabels: { app: 'cart' } } },
    { selector: { matchLabels: { version: 'v1', app: 'cart' } } },
    { selector: { matchLabels: { app: '' } } },
    { targetRef: { kind: 'Service', name: 'cart' } },
    {
      targetRefs: [
        { kind: 'ServiceEntry', group: 'networking.istio.io', name: 'basket' },
        { kind: 'Service', name: 'cart' },
      ],
    },
    { targetRefs: [{ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'cart' }] },
  ]
  const documents = ['shop', 'web', 'weft-system'].flatMap(namespace => {
    return scopes.map((scope, at) => authorization(`p${at}`, scope, namespace))
  })
  const policies = createPolicyCompiler()(read(...documents), noKeys)
  const index = indexPolicies(policies, 'weft-system')
  const targets = ['shop', 'web', 'other'].flatMap(namespace =>
    [{}, { app: 'cart' }, { app: 'cart', version: 'v1' }, { app: '' }].flatMap(labels =>
      [[], [`${namespace}/cart`], ['weft-system/basket', `${namespace}/cart`]].map(services => {
        return { namespace, labels, services }
      }),
    ),
  )
  for (const target of targets) {
    const wanted = [...policies]
      .filter(([, policy]) => policyApplies(policy, target, 'weft-system'))
      .map(([name]) => name)
    t.same(index.namesFor(target), wanted, JSON.stringify(target))
  }
})
