import t from 'tap'
import { analyze } from '../../../../mesh/analyze/analyze.ts'
import type { AnalyzedWorkload, AnalyzedWorld } from '../../../../mesh/analyze/finding.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatPath } from '../../../../mesh/resources/problem.ts'

interface Written {
  readonly kind?: string
  readonly name?: string
  readonly namespace?: string
  readonly annotations?: object
  readonly spec: object
}

function findings(written: readonly Written[], more: Partial<AnalyzedWorld> = {}): string[] {
  const texts = written.map(({ kind = 'AuthorizationPolicy', name = 'one', namespace = 'shop', annotations, spec }) => {
    const apiVersion = kind === 'WorkloadEntry' ? 'networking.istio.io/v1' : 'security.istio.io/v1'
    return JSON.stringify({ apiVersion, kind, metadata: { name, namespace, annotations }, spec })
  })
  const { resources, problems } = parseResources(texts.join('\n---\n'), 'a.yaml')
  t.same(problems, [])
  return analyze({ resources, rootNamespace: 'weft-system', domain: 'mesh', ...more }).map(
    ({ severity, code, path, message, suggestion }) => {
      const hint = suggestion === undefined ? '' : ` (${suggestion}?)`
      return `${severity} ${code} ${formatPath(path)}: ${message}${hint}`
    },
  )
}

const cart: AnalyzedWorkload = {
  namespace: 'shop',
  labels: { app: 'cart' },
  services: ['shop/cart'],
  ports: [
    { port: 8080, protocol: 'http' },
    { port: 5432, protocol: 'tcp' },
  ],
  isMeshed: true,
}
const services = [{ namespace: 'shop', hosts: ['cart.shop.mesh', 'cart.example'], ports: [80] }]
const known = { workloads: [cart], services, trustDomain: 'mesh.test' }

t.test('a service that a policy names and nobody knows is said, with the one that was meant', async t => {
  const refs = (...targetRefs: readonly object[]) => ({ spec: { targetRefs, rules: [{}] } })
  t.same(findings([refs({ kind: 'Service', name: 'cart' })], known), [])
  t.match(findings([refs({ kind: 'Service', name: 'cart' }, { kind: 'Service', name: 'cartt' })], known), [
    /^warning unknown-target spec\.targetRefs\[1\]\.name: cartt is no service .* \(cart\?\)$/,
  ])
  t.match(findings([{ ...refs({ kind: 'Service', name: 'cart' }), namespace: 'web' }], known), [/namespace web/])
  t.match(findings([refs({ kind: 'Gateway', group: 'gateway.networking.k8s.io', name: 'cart' })]), [
    /^warning unknown-target spec\.targetRefs\[0\]: is a gateway/,
  ])
  const moved = { ...known, workloads: [{ ...cart, namespace: 'vms' }] }
  t.match(findings([refs({ kind: 'Service', name: 'cart' })], moved), [/cart has workloads of other namespaces only/])
  t.same(findings([refs({ kind: 'Service', name: 'x' })]), [], 'nothing is said where nobody knows what there is')
})

t.test('labels that no workload has are said, unless one with them is written beside', async t => {
  const policy = { spec: { selector: { matchLabels: { app: 'pay' } }, rules: [{}] } }
  t.match(findings([policy], known), [/^warning unknown-target spec\.selector: chooses no workload/])
  t.match(findings([{ ...policy, kind: 'RequestAuthentication', spec: { selector: policy.spec.selector } }], known), [
    /unknown-target/,
  ])
  const entry = { kind: 'WorkloadEntry', spec: { address: '10.0.0.1', labels: { app: 'pay' } } }
  t.same(findings([policy, entry], known), [])
  t.same(findings([policy]), [])
})

t.test('a rule that does not do what it says where it holds is told at its field', async t => {
  const policy = (spec: object) => ({ spec: { selector: { matchLabels: { app: 'cart' } }, ...spec } })
  const get = { to: [{ operation: { methods: ['GET'] } }] }
  t.match(findings([policy({ action: 'DENY', rules: [get] })], known), [
    /^warning policy-rule spec\.rules\[0\]\.to\[0\]\.operation\.methods: .*port 5432/,
  ])
  const from = (principal: string) => policy({ rules: [{ from: [{ source: { principals: [principal] } }] }] })
  t.match(findings([from('old.test/ns/web/sa/web')], known), [/trust domain old\.test/])
  t.same(findings([from('old.test/ns/web/sa/web')]), [], 'any may be right where it is not known')
  t.same(findings([from('mesh.test/ns/web/sa/web')], known), [])
  t.match(findings([from('mesh.test/ns/web/sa/web')], { ...known, workloads: [{ ...cart, isMeshed: false }] }), [
    /plaintext/,
  ])
})

t.test('tokens that may be left out are said, until something asks for them', async t => {
  const people = { kind: 'RequestAuthentication', spec: { jwtRules: [{ issuer: 'a' }] } }
  const asks = { spec: { rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] } }
  const hint = /^warning token-optional spec\.jwtRules: lets requests without a token in/
  t.match(findings([people]), [hint])
  t.same(findings([people, asks]), [])
  t.same(findings([people, { ...asks, namespace: 'weft-system' }]), [])
  t.match(findings([people, { ...asks, namespace: 'web' }]), [hint])
  t.match(findings([people, { ...asks, annotations: { 'istio.io/dry-run': 'true' } }]), [hint])
  const claims = { spec: { rules: [{ when: [{ key: 'request.auth.claims[a]', values: ['b'] }] }] } }
  t.same(findings([people, claims]), [])
})

t.test('secret keys, and headers that cannot be, are said', async t => {
  const jwks = '{"keys":[{"kty":"oct","k":"c2VjcmV0"}]}'
  const spec = { jwtRules: [{ issuer: 'a', jwks, fromHeaders: [{ name: 'x-jwt' }, { name: 'x y' }] }] }
  const asks = { spec: { rules: [{ from: [{ source: { requestPrincipals: ['*'] } }] }] } }
  t.match(findings([{ kind: 'RequestAuthentication', spec }, asks]), [
    /^warning secret-key spec\.jwtRules\[0\]\.jwks: has 1 keys that are secret/,
    /^warning no-effect spec\.jwtRules\[0\]\.fromHeaders\[1\]\.name: /,
  ])
})

t.test('plaintext for a time is told before and after', async t => {
  const annotations = { 'weft.dev/permissive-until': '2026-06-01T00:00:00Z' }
  const policy = { kind: 'PeerAuthentication', annotations, spec: { mtls: { mode: 'PERMISSIVE' } } }
  const at = (now: number) => findings([policy], { now })
  const end = Date.UTC(2026, 5, 1)
  t.match(at(end - 1), [/^warning permissive-until metadata\.annotations.*permits plaintext until 2026-06-01T00:00/])
  t.match(at(end), [/^warning permissive-until metadata\.annotations.*counted as STRICT since 2026-06-01T00:00/])
  t.same(findings([policy]), [])
})

t.test('two PeerAuthentications for one scope are an error, the younger with the older', async t => {
  const strict = { kind: 'PeerAuthentication', spec: { mtls: { mode: 'STRICT' } } }
  t.match(findings([strict, { ...strict, name: 'two' }]), [
    /^error duplicate-policy spec\.selector: PeerAuthentication shop\/two and PeerAuthentication shop\/one are both/,
  ])
})
