import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatProblem } from '../../../../mesh/resources/problem.ts'
import { resourceJsonSchema, resourceSchemas } from '../../../../mesh/resources/resource.ts'

const entry = `apiVersion: networking.istio.io/v1
kind: WorkloadEntry
metadata:
  name: api-1
spec:
  address: 10.0.0.1
`

/** Problems of a text, as an operator reads them. */
function said(text: string): string[] {
  const { resources, problems } = parseResources(text, 'f.yaml')
  t.same(resources, [], 'a bad document gives no resource')
  return problems.map(formatProblem)
}

t.test('reads documents of several kinds and versions from one text, the namespace being default', async t => {
  const policy = '{"apiVersion":"security.istio.io/v1beta1","kind":"PeerAuthentication","metadata":{"name":"p"}}'
  const { resources, problems } = parseResources(`# mine\n---\n${entry}---\n${policy}\n---\n`, 'f.yaml')
  t.same(problems, [])
  t.match(resources, [
    { kind: 'WorkloadEntry', metadata: { name: 'api-1', namespace: 'default' }, spec: { address: '10.0.0.1' } },
    { kind: 'PeerAuthentication', metadata: { name: 'p', namespace: 'default' }, spec: {} },
  ])
})

t.test('JSON is read as it is, tabs and all', async t => {
  const json = JSON.stringify(
    { apiVersion: 'networking.istio.io/v1', kind: 'WorkloadEntry', metadata: { name: 'a' }, spec: { address: '::1' } },
    null,
    '\t',
  )
  t.same(parseResources(json, 'f.json').problems, [])
})

t.test('a bad document does not hold up the others', async t => {
  const { resources, problems } = parseResources(`${entry}---\nkind: Nonsense\n---\n${entry}`, 'f.yaml')
  t.equal(resources.length, 2)
  t.equal(problems.length, 1)
})

t.test('an unknown field is refused at its key, with the one that was meant', async t => {
  t.same(said(entry.replace('address:', 'adress:')), [
    'f.yaml:5:1: spec.address: is required',
    'f.yaml:6:3: spec.adress: is not a field, did you mean address?',
  ])
  t.same(said(`${entry}  wieght: 3\n  portz: { http: 80 }\n`), [
    'f.yaml:7:3: spec.wieght: is not a field, did you mean weight?',
    'f.yaml:8:3: spec.portz: is not a field, did you mean ports?',
  ])
  t.same(said(`${entry}x: 1\n`), ['f.yaml:7:1: x: is not a field'])
})

t.test('what has a name instead of an address is not placed on a host', async t => {
  const yaml = (annotations: string) =>
    `{ apiVersion: networking.istio.io/v1, kind: WorkloadEntry, metadata: { name: a${annotations} }, spec: { address: a.example } }`
  t.same(parseResources(yaml(''), 'a.yaml').problems, [])
  const [problem] = parseResources(yaml(', annotations: { weft.dev/node: h1 }'), 'a.yaml').problems
  t.match(problem, { path: 'spec.address', reason: 'unimplemented' })
})

t.test('a field or value that is not implemented is refused by name', async t => {
  const [locality] = parseResources(`${entry}  locality: a/b/c/d\n`, 'f.yaml').problems
  t.match(locality, { reason: 'unimplemented', line: 7, column: 13, path: 'spec.locality' })
  t.match(said('apiVersion: networking.istio.io/v1\nkind: Gateway\n'), [/^f.yaml:2:7: kind: is not implemented/])
  const service = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: { name: db }
spec:
  hosts: [db.example.com]
  ports: [{ number: 80, name: http }]
  resolution: NONE
  workloadSelector: { labels: { app: db } }
status: {}
`
  t.match(said(service), [
    /^f.yaml:8:21: spec.workloadSelector: is not implemented/,
    /^f.yaml:9:1: status: is written by kubernetes only/,
  ])
})

t.test('with DYNAMIC_DNS hosts are wildcards, and every port has a place for a name', async t => {
  const yaml = (spec: string) =>
    `{ apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: { name: a }, spec: { resolution: DYNAMIC_DNS, ${spec} } }`
  const service = (spec: string) => said(yaml(spec))
  const port = (rest: string) => `ports: [{ number: 443, name: p, ${rest} }]`
  t.same(parseResources(yaml(`hosts: ["*.a.example"], ${port('protocol: TLS')}`), 'f.yaml').problems, [])
  t.match(service(`hosts: [a.example], ${port('protocol: HTTP')}`), [/spec\.hosts\[0\]: must be a wildcard/])
  t.match(service(`hosts: ["*.a.example"], ${port('protocol: TCP')}`), [/spec\.ports\[0\]\.protocol: must be HTTP/])
  t.match(service(`hosts: ["*.a.example"], ${port('protocol: TLS, targetPort: 8443')}`), [
    /targetPort: is not implemented/,
  ])
  t.match(service(`hosts: ["*.a.example"], addresses: [10.0.0.1], ${port('protocol: TLS')}`), [/spec\.addresses/])
})

t.test('an unknown kind or version is refused with the one that was meant', async t => {
  t.same(said(entry.replace('WorkloadEntry', 'WorkloadEntri')), [
    'f.yaml:2:7: kind: WorkloadEntri is not a kind that weft knows, did you mean WorkloadEntry?',
  ])
  t.match(said(entry.replace('networking.istio.io/v1', 'networking.istio.io/v2')), [
    /^f.yaml:1:13: apiVersion: networking.istio.io\/v2 has no WorkloadEntry.*did you mean networking.istio.io\/v1\?$/,
  ])
  t.match(said(entry.replace('networking', 'security')), [/apiVersion: security.istio.io\/v1 has no WorkloadEntry/])
})

t.test('what is missing is named where it belongs', async t => {
  t.same(said('spec: {}'), ['f.yaml:1:1: kind: is required'])
  t.same(said('kind: WorkloadEntry\n'), ['f.yaml:1:1: apiVersion: is required'])
  t.same(said('[]'), ['f.yaml:1:1: a resource must be a mapping with apiVersion, kind, metadata and spec'])
  t.same(said(entry.replace('  name: api-1', '  namespace: x')), ['f.yaml:3:1: metadata.name: is required'])
})

t.test('wrong types and values are said in words', async t => {
  const table: [string, RegExp][] = [
    ['weight: heavy', /f.yaml:7:11: spec.weight: must be a number, not text$/],
    ['weight: 1.5', /spec.weight: must be a whole number, not 1.5$/],
    ['weight: -1', /spec.weight: must be at least 0$/],
    ['weight: 4294967296', /spec.weight: must be at most 4294967295$/],
    ['weight: .inf', /spec.weight: is not a finite number$/],
    ['ports: { http: 0 }', /spec.ports.http: must be at least 1$/],
    ['ports: { a_b: 80 }', /f.yaml:7:12: spec.ports.a_b: must be 1 to 63 letters/],
    ['ports: [80]', /spec.ports: must be a mapping, not a list$/],
    ['ports: { http: "80" }', /spec.ports.http: must be a number, not text$/],
    ['labels: { app: 5 }', /f.yaml:7:18: spec.labels.app: must be text, not 5, put it in quotes$/],
    ['labels: { "a b": x }', /f.yaml:7:13: spec.labels\["a b"\]: is not a label name$/],
    ['labels: { security.istio.io/tlsMode: disabled }', /is not implemented: labels that steer istio/],
    ['serviceAccount: "A B"', /spec.serviceAccount: must be lower-case letters/],
    ['serviceAccount: ../root', /spec.serviceAccount: must be lower-case letters/],
    ['locality: a/b/c/d', /spec.locality: is not implemented/],
    ['serviceAccount:', /spec.serviceAccount: must be text, not null$/],
  ]
  for (const [field, expected] of table) t.match(said(`${entry}  ${field}\n`), [expected], field)
})

t.test('names are held to DNS rules', async t => {
  for (const name of ['Api', 'a_b', '-a', 'a..b', '""', 'x'.repeat(254)]) {
    t.match(said(entry.replace('api-1', name)), [/metadata.name: must/], name)
  }
  t.match(said(entry.replace('name: api-1', 'name: a\n  namespace: a.b')), [/metadata.namespace: must/])
})

t.test('annotations of ours are checked, unknown ones refused', async t => {
  const annotated = (annotation: string) => entry.replace('spec:', `  annotations: { ${annotation} }\nspec:`)
  const good =
    'weft.dev/node: h1, weft.dev/uid: "33", weft.dev/user: www-data, weft.dev/unit: api@1, weft.dev/cgroup: a.slice/b'
  t.same(parseResources(annotated(`${good}, example.com/x: y`), 'f.yaml').problems, [])
  t.same(said(annotated('weft.dev/nod: h1')), [
    'f.yaml:5:18: metadata.annotations["weft.dev/nod"]: is not an annotation that weft knows here, did you mean weft.dev/node?',
  ])
  const bad = ['weft.dev/uid: "-1"', 'weft.dev/uid: "4294967295"', 'weft.dev/cgroup: /a', 'weft.dev/cgroup: a/../b']
  const worse = ['weft.dev/unit: a/b', 'weft.dev/user: "a b"', 'weft.dev/node: ".."', 'weft.dev/uid: "007"']
  for (const annotation of [...bad, ...worse]) t.match(said(annotated(annotation)), [/weft.dev/], annotation)
  t.match(said(annotated('sidecar.istio.io/inject: "true"')), [/is not implemented: annotations that steer istio/])
  const service = '{ apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: { name: a, annotations: '
  const spec = '{ weft.dev/node: h1 } }, spec: { hosts: [a.b], resolution: STATIC } }'
  t.match(said(`${service}${spec}`), [/is not an annotation that weft knows here/])
})

t.test('text from outside is bounded and plain', async t => {
  const table: [string, RegExp][] = [
    ['a: 1\na: 2\n', /^f.yaml:2:1: a: is given twice$/],
    ['{ __proto__: { polluted: true } }', /^f.yaml:1:3: __proto__: is not allowed as a key$/],
    ['constructor: 1', /constructor: is not allowed as a key/],
    ['{ "prototype": 1 }', /prototype: is not allowed as a key/],
    ['a: !!binary aGk=', /tag/],
    ['a: !mine b', /tag/],
    ['!!str a: 1', /key that is neither text nor a whole number/],
    ['? [1]\n: 2', /key that is neither text nor a whole number/],
    ['%YAML 1.1\n---\na: yes\n', /declares yaml 1.1/],
    [`${'['.repeat(65)}${']'.repeat(65)}`, /nested deeper than 64 levels/],
    [`${'- '.repeat(65)}x`, /nested deeper than 64 levels/],
    ['- '.repeat(100_000), /nested deeper than 64 levels/],
    [`a: ${'x'.repeat(1 << 20)}`, /^f.yaml:1:1: is larger than 1 MiB$/],
    [`a: ${'é'.repeat(1 << 19)}`, /^f.yaml:1:1: is larger than 1 MiB$/],
    ['}'.repeat(300_000), /words and marks/],
    ['a: *b', /unresolved alias|before its anchor/i],
    [`a: &a x\nb: [${Array.from({ length: 101 }, () => '*a').join(', ')}]\n`, /more than 100 aliases/],
    ['a: &a [*a]', /levels|alias/],
    ['a: "\\q"', /f.yaml:1/],
    ['a: [1', /f.yaml:1/],
  ]
  for (const [text, expected] of table) t.match(said(text)[0], expected, text.slice(0, 40))
  t.equal(Reflect.get({}, 'polluted'), undefined)
})

t.test('aliases that multiply are cut off, and quickly', async t => {
  const levels = Array.from({ length: 12 }, (_, at) => {
    return `l${at}: &l${at} [${at === 0 ? 'x' : Array.from({ length: 9 }, () => `*l${at - 1}`).join(', ')}]`
  })
  t.match(said(levels.join('\n')).join('\n'), /more than 100 aliases|too many values/)
})

t.test('a hundred thousand keys are read in time that grows with them', async t => {
  const many = Array.from({ length: 60_000 }, (_, at) => `k${at}: 1`).join('\n')
  t.same(said(many), ['f.yaml:1:1: kind: is required'])
})

t.test('an alias means what its anchor says', async t => {
  const { resources, problems } = parseResources(
    entry.replace('name: api-1', 'name: &name api-1').concat('  labels: { app: *name }\n'),
    'f.yaml',
  )
  t.same(problems, [])
  t.match(resources, [{ spec: { labels: { app: 'api-1' } } }])
})

t.test('only 1.2 core words are booleans and numbers', async t => {
  const { resources, problems } = parseResources(`${entry}  labels: { a: yes, b: on, c: 1_000, d: 0o17x }\n`, 'f.yaml')
  t.same(problems, [])
  t.match(resources, [{ spec: { labels: { a: 'yes', b: 'on', c: '1_000', d: '0o17x' } } }])
})

t.test('policies of single ports need a selector, and ports that exist', async t => {
  const policy = (spec: string) =>
    `{ apiVersion: security.istio.io/v1, kind: PeerAuthentication, metadata: { name: p }, spec: ${spec} }`
  const selector = 'selector: { matchLabels: { app: x } }'
  t.match(said(policy('{ portLevelMtls: { 80: {} } }')), [/portLevelMtls: needs a selector/])
  t.match(said(policy(`{ ${selector}, portLevelMtls: {} }`)), [/portLevelMtls: is empty/])
  t.match(said(policy(`{ ${selector}, portLevelMtls: { 65536: {} } }`)), [/must be a port from 1 to 65535/])
  t.same(said(policy('{ mtls: { mode: STRCT } }')).length, 1)
  t.match(said(policy('{ mtls: { mode: STRCT } }')), [/must be one of UNSET, DISABLE.*did you mean STRICT\?$/])
})

t.test('rules over several fields of a ServiceEntry', async t => {
  const service = (spec: string) =>
    `{ apiVersion: networking.istio.io/v1, kind: ServiceEntry, metadata: { name: s }, spec: { ${spec} } }`
  const http = 'ports: [{ number: 80, name: http, protocol: HTTP }]'
  const table: [string, RegExp][] = [
    [`hosts: [a.b], ${http}, resolution: STATIC, endpoints: [], workloadSelector: {}`, /cannot stand beside endpoints/],
    [
      `hosts: [a.b], ${http}, resolution: STATIC, endpoints: [{ address: 10.0.0.1, ports: { x: 1 } }]`,
      /endpoints\[0\].ports.x: is not a port of the service/,
    ],
    [
      `hosts: [a.b], ${http}, addresses: [10.0.0.1], endpoints: [{ address: 10.0.0.1 }]`,
      /endpoints: need resolution STATIC/,
    ],
    [`hosts: [a.b, c.d], ${http}, resolution: DNS`, /hosts: is not implemented: several hosts/],
    [`hosts: [a.b], ${http}, resolution: STATIC, endpoints: [{ address: c.d }]`, /address: must be an address with/],
    [`hosts: [a.b], ${http}, resolution: DNS, endpoints: [{ address: 'unix:///x' }]`, /address: is not implemented/],
    [`hosts: ['*.b'], ${http}, resolution: DNS`, /hosts\[0\]: must be a name that can be resolved/],
    [`hosts: [a.b], ${http}, resolution: DNS, addresses: [10.0.0.0/8]`, /addresses\[0\]: must not be a range/],
    [`hosts: [a.b, c.d], ports: [{ number: 1, name: x }], resolution: STATIC`, /hosts: may be several only/],
    [
      'hosts: [a.b], resolution: STATIC, ports: [{ number: 1, name: x }, { number: 1, name: x }]',
      /ports\[1\].name: x is the name of an earlier port/,
    ],
    ['hosts: ["*"], resolution: STATIC', /hosts\[0\]: stands for every name/],
    ['hosts: ["*a.b"], resolution: STATIC', /hosts\[0\]: is not implemented: wildcards inside of a label/],
    ['hosts: [], resolution: STATIC', /hosts: must have at least 1 entries/],
    ['hosts: [a.b], resolution: STATIC, addresses: [10.0.0.0/33]', /addresses\[0\]: must be an address/],
    [
      'hosts: [a.b], resolution: STATIC, ports: [{ number: 1, name: x, protocol: SCTP }]',
      /protocol: must be one of HTTP/,
    ],
  ]
  for (const [spec, expected] of table) t.match(said(service(spec)).join('\n'), expected, spec)
})

t.test('every kind has a JSON Schema that forbids what is refused', async t => {
  const traffic = ['VirtualService', 'DestinationRule', 'Sidecar', 'MeshSettings'] as const
  for (const kind of ['WorkloadEntry', 'WorkloadGroup', 'ServiceEntry', 'PeerAuthentication', ...traffic] as const) {
    t.match(resourceJsonSchema(kind), {
      type: 'object',
      additionalProperties: false,
      properties: { kind: { const: kind }, metadata: { additionalProperties: false } },
      required:
        kind === 'PeerAuthentication' ? ['apiVersion', 'kind', 'metadata'] : ['apiVersion', 'kind', 'metadata', 'spec'],
    })
    t.ok(Object.hasOwn(resourceSchemas, kind))
  }
  t.match(resourceJsonSchema('WorkloadEntry'), { properties: { metadata: { properties: { uid: { not: {} } } } } })
})
