import { generateKeyPairSync } from 'node:crypto'
import t from 'tap'
import type { AuthorizationPolicySpec, RequestAuthenticationSpec } from '../../../../mesh/model/policy.ts'
import { parseJwks, publicJwks } from '../../../../mesh/resources/jwks.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'

/** What is said of a policy of this kind with this spec. */
function said(kind: string, spec: object, annotations: object = {}): readonly string[] {
  const document = {
    apiVersion: 'security.istio.io/v1',
    kind,
    metadata: { name: 'one', namespace: 'shop', annotations },
    spec,
  }
  const { resources, problems } = parseResources(JSON.stringify(document), 'policy.yaml')
  t.equal(resources.length, problems.length === 0 ? 1 : 0)
  return problems.map(({ reason, path, message }) => `${reason} ${path}: ${message}`)
}

const authorization = (spec: object, annotations?: object) => said('AuthorizationPolicy', spec, annotations)
const source = (fields: object) => authorization({ rules: [{ from: [{ source: fields }] }] })
const operation = (fields: object) => authorization({ rules: [{ to: [{ operation: fields }] }] })
const condition = (fields: object) => authorization({ rules: [{ when: [fields] }] })
const jwtRule = (fields: object) => said('RequestAuthentication', { jwtRules: [{ issuer: 'a', ...fields }] })

t.test('specs are what evaluation reads', async t => {
  const { resources } = parseResources(
    `{ apiVersion: security.istio.io/v1beta1, kind: AuthorizationPolicy, metadata: { name: a }, spec: { action: DENY, rules: [{}] } }
---
{ apiVersion: security.istio.io/v1, kind: RequestAuthentication, metadata: { name: a } }`,
    'policy.yaml',
  )
  const specs = resources.flatMap((one): (AuthorizationPolicySpec | RequestAuthenticationSpec)[] =>
    one.kind === 'AuthorizationPolicy' || one.kind === 'RequestAuthentication' ? [one.spec] : [],
  )
  t.same(specs, [{ action: 'DENY', rules: [{}] }, {}])
})

t.test('what is fine for Istio and not done is refused by name', async t => {
  t.match(authorization({ action: 'CUSTOM', provider: { name: 'opa' }, rules: [{}] }), [
    /^unimplemented spec\.action: is not implemented: CUSTOM/,
    /^unimplemented spec\.provider: is not implemented/,
  ])
  t.match(condition({ key: 'experimental.envoy.filters.a[b]', values: ['x'] }), [/^unimplemented .*key: .*Envoy/])
  t.match(jwtRule({ presence: 'REQUIRED' }), [/^unimplemented .*presence/])
  t.same(jwtRule({ presence: 'OPTIONAL' }), [])
})

t.test('a DENY needs rules, an ALLOW without any shuts everybody out', async t => {
  t.match(authorization({ action: 'DENY' }), [/^invalid spec\.rules: is required/])
  t.match(authorization({ action: 'DENY', rules: [] }), [/^invalid spec\.rules: is required/])
  t.same(authorization({}), [])
  t.same(authorization({ action: 'ALLOW', rules: [] }), [])
})

t.test('one field at most says which workloads it is for', async t => {
  const selector = { matchLabels: { app: 'cart' } }
  const service = { kind: 'Service', name: 'cart' }
  t.same(
    authorization({ targetRefs: [service, { ...service, kind: 'ServiceEntry', group: 'networking.istio.io' }] }),
    [],
  )
  t.match(authorization({ selector, targetRefs: [service] }), [/^invalid spec\.targetRefs: stands beside selector/])
  t.match(authorization({ targetRef: service, targetRefs: [] }), [/^invalid spec\.targetRefs: stands beside targetRef/])
  t.match(authorization({ targetRefs: Array(17).fill(service) }), [/at most 16/])
  t.match(authorization({ targetRef: { kind: 'Pod', name: 'x' } }), [/targetRef\.kind: must be one of/])
  t.match(authorization({ targetRef: { ...service, group: 'apps' } }), [/targetRef\.group: must be left out/])
  t.match(authorization({ targetRef: { ...service, namespace: 'other' } }), [/targetRef\.namespace: .*own namespace/])
})

t.test('values that could match nobody are refused at their place', async t => {
  t.match(source({}), [/^invalid spec\.rules\[0\]\.from\[0\]\.source: says nothing/])
  t.match(source({ principals: [] }), [/source: says nothing/])
  t.match(source({ principals: [''] }), [/principals\[0\]/])
  for (const block of ['10.0.0.0/33', 'x', '1.2.3.4/', '10.0.0', '::ffff:10.0.0.1', 'fe80::1%eth0', '10.0.0.0/08']) {
    t.match(source({ ipBlocks: [block] }), [/ipBlocks\[0\]/], block)
  }
  t.same(source({ ipBlocks: ['10.0.0.1', '10.0.0.1/8', '2001:db8::/32', '::/0'] }), [])
  for (const account of ['*', 'a/*', 'a/b/c', '/b', 'a/']) {
    t.match(source({ serviceAccounts: [account] }), [/serviceAccounts\[0\]/], account)
  }
  t.match(source({ serviceAccounts: ['a'], notNamespaces: ['b'] }), [/notNamespaces: stands beside/])
  t.match(operation({ ports: ['http'] }), [/ports\[0\]/])
  t.same(operation({ ports: ['0', '080', '65535'] }), [])
  t.match(operation({ paths: [] }), [/operation: says nothing/])
})

t.test('templates of paths are whole segments, and the one for the rest is the last of them', async t => {
  for (const path of ['/a/{*}/b', '/{*}/{**}', '/{**}/b', '{*}', '/a*', '*/a', '/a?x=1']) {
    t.same(operation({ paths: [path] }), [], path)
  }
  for (const path of ['/a{*}', '/{**}/{*}', '/{a}', '/{', '/a//{*}', '/a*/{*}', '/a b/{*}', '/{***}']) {
    t.match(operation({ notPaths: [path] }), [/notPaths\[0\]: has/], path)
  }
})

t.test('conditions are of attributes that there are, and say with what they are compared', async t => {
  t.same(condition({ key: 'request.auth.claims[a][b]', notValues: ['x'] }), [])
  t.match(condition({ key: 'source.ip' }), [/when\[0\]: has neither/])
  t.match(condition({ key: 'source.labels[app]', values: ['x'] }), [/key: source\.labels\[app\] is no attribute/])
  t.match(condition({ key: 'request.headers[]', values: ['x'] }), [/key: /])
  t.match(condition({ key: 'source.ip', notValues: ['x'] }), [/notValues\[0\]: must be an address/])
  t.match(condition({ key: 'destination.port', values: ['http'] }), [/values\[0\]: must be a port/])
  t.match(condition({ key: 'source.namespace', values: [''] }), [/values\[0\]: is empty/])
})

t.test('whose tokens are taken is said by the issuer or where its keys are', async t => {
  t.match(said('RequestAuthentication', { jwtRules: [{}] }), [/jwtRules\[0\]\.issuer: is required/])
  t.same(said('RequestAuthentication', { jwtRules: [{ jwksUri: 'https://id.example/keys' }] }), [])
  t.match(jwtRule({ jwks: '{"keys":[]}', jwksUri: 'https://id.example/keys' }), [/jwksUri: stands beside jwks/])
  for (const uri of ['ftp://a/k', 'a/k', 'https://', 'http://a:99999/k', 'https://u:p@a/k', 'https://a b/k', '//a/k']) {
    t.match(jwtRule({ jwksUri: uri }), [/jwksUri: must be a URL/], uri)
  }
  t.match(jwtRule({ outputPayloadToHeader: 'x\r\ny' }), [/outputPayloadToHeader: is not the name of a header/])
  t.match(jwtRule({ timeout: '0s' }), [/timeout/])
})

t.test('no rule for tokens takes or writes what messages are addressed and delimited by', async t => {
  const said = /is what a message is addressed or delimited by/
  t.match(jwtRule({ outputPayloadToHeader: 'Content-Length' }), [said])
  t.match(jwtRule({ outputClaimToHeaders: [{ header: 'host', claim: 'a' }] }), [said])
  t.match(jwtRule({ fromHeaders: [{ name: 'Transfer-Encoding' }] }), [said])
  t.same(jwtRule({ fromHeaders: [{ name: 'x-host' }] }), [])
})

t.test('only public keys of a set are ever handed on', async t => {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const open = { ...publicKey.export({ format: 'jwk' }), kid: 'a', use: 'sig', key_ops: ['verify'] }
  const secret = { ...privateKey.export({ format: 'jwk' }), kid: 'b' }
  const symmetric = { kty: 'oct', k: 'c2VjcmV0' }
  const set = JSON.stringify({ keys: [open, secret, symmetric] })
  t.same(jwtRule({ jwks: set }), [])
  const parsed = parseJwks(set)
  t.match(parsed, { kind: 'good', secrets: 2 })
  t.same(JSON.parse(publicJwks(set)), { keys: [open, { ...publicKey.export({ format: 'jwk' }), kid: 'b' }] })
  t.notMatch(publicJwks(set), /"d":|"k":/)
  t.same(JSON.parse(publicJwks(JSON.stringify(open))), { keys: [open] }, 'one key alone is a set of one')
  for (const bad of [
    '{}',
    'null',
    '[]',
    'x',
    '{"keys":"x"}',
    '{"keys":[1]}',
    '{"keys":[{"kty":"RSA","n":"!!","e":"AQAB"}]}',
  ]) {
    t.match(jwtRule({ jwks: bad }), [/jwks: /], bad)
    t.equal(publicJwks(bad), '{"keys":[]}')
  }
})

t.test('a policy may be tried; anything else may not', async t => {
  const dryRun = { 'istio.io/dry-run': 'true' }
  t.same(authorization({}, dryRun), [])
  t.same(said('RequestAuthentication', {}, dryRun), [])
  t.same(said('PeerAuthentication', { mtls: { mode: 'STRICT' } }, dryRun), [])
  t.match(authorization({ action: 'AUDIT', rules: [{}] }, dryRun), [/dry-run"\]: means nothing with action: AUDIT/])
  for (const value of ['1', 'yes', '', 'True']) {
    t.match(
      authorization({}, { 'istio.io/dry-run': value }),
      [/^invalid .*dry-run"\]: must be "true" or "false"/],
      value,
    )
  }
  const { problems } = parseResources(
    `{ apiVersion: networking.istio.io/v1, kind: DestinationRule, metadata: { name: a, annotations: { istio.io/dry-run: "true" } }, spec: { host: a } }`,
    'rule.yaml',
  )
  t.match(problems, [
    { reason: 'unimplemented', path: 'metadata.annotations["istio.io/dry-run"]', message: /dry runs are of policies/ },
  ])
})
