import t from 'tap'
import { probeDefaults } from '../../../../mesh/model/probe.ts'
import { readDocuments } from '../../../../mesh/resources/document.ts'
import { parseNative } from '../../../../mesh/resources/native.ts'
import { workloadFromNative } from '../../../../mesh/resources/native-to-model.ts'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatProblem } from '../../../../mesh/resources/problem.ts'
import { snapshotFromResources } from '../../../../mesh/resources/to-model.ts'

const v1 = 'apiVersion: networking.istio.io/v1'

/** The probe of an entry of a group, or what is wrong; `metadata` is the group's for its entries. */
function ofGroup(probe: string, groupAnnotations = '', entryAnnotations = '') {
  const group = `{ ${v1}, kind: WorkloadGroup, metadata: { name: api }, spec: {
    metadata: { annotations: { ${groupAnnotations} } }, template: {}${probe === '' ? '' : `, probe: { ${probe} }`} } }`
  const entry = `{ ${v1}, kind: WorkloadEntry, metadata: { name: api-1, annotations: {
    weft.dev/group: api, ${entryAnnotations} } }, spec: { address: 10.0.0.7 } }`
  const { resources, problems } = parseResources(`${group}\n---\n${entry}`, 'f.yaml')
  if (problems.length > 0) return problems.map(formatProblem).join('; ')
  return snapshotFromResources('ops', resources).workloads.get('ops/default/api-1')?.probe
}

/** The probe of a workload in the short form, or what is wrong. */
function native(health: string) {
  const text = `workloads: [{ name: api-1, address: 10.0.0.7, health: ${health} }]`
  const [document] = readDocuments(text, 'f.yaml').documents
  if (document === undefined) throw new Error('not a document')
  const checked = parseNative(document)
  if (checked.kind === 'bad') return checked.problems.map(formatProblem).join('; ')
  const [workload] = checked.value.workloads ?? []
  return workload === undefined ? undefined : workloadFromNative('files', workload).probe
}

const http = { kind: 'http', scheme: 'http', port: 8080, path: '/', headers: [] } as const

t.test('an entry has the probe of its group, with defaults for what is not said or 0', async t => {
  t.same(ofGroup('httpGet: { port: 8080 }'), { ...probeDefaults, check: http })
  t.same(ofGroup('timeoutSeconds: 0, periodSeconds: 0, failureThreshold: 0, tcpSocket: { port: 1, host: "" }'), {
    ...probeDefaults,
    check: { kind: 'tcp', port: 1 },
  })
  t.equal(ofGroup(''), undefined)
})

t.test('everything a ReadinessProbe says reaches the agent', async t => {
  const header = '{ name: X-Token, value: a }, { name: x-empty }'
  const get = `path: healthz?deep=1, port: 8443, host: api.example, scheme: HTTPS, httpHeaders: [${header}]`
  const times = 'initialDelaySeconds: 5, timeoutSeconds: 2, periodSeconds: 3, successThreshold: 4, failureThreshold: 6'
  t.same(ofGroup(`${times}, httpGet: { ${get} }`), {
    initialDelayMs: 5000,
    timeoutMs: 2000,
    periodMs: 3000,
    successThreshold: 4,
    failureThreshold: 6,
    check: {
      kind: 'http',
      scheme: 'https',
      host: 'api.example',
      port: 8443,
      path: '/healthz?deep=1',
      headers: [
        ['X-Token', 'a'],
        ['x-empty', ''],
      ],
    },
  })
  t.match(ofGroup('tcpSocket: { host: "fd00::7", port: 5432 }'), {
    check: { kind: 'tcp', host: 'fd00::7', port: 5432 },
  })
  t.match(ofGroup('grpc: { port: 9000, service: shop.Api }'), {
    check: { kind: 'grpc', port: 9000, service: 'shop.Api' },
  })
  t.match(ofGroup('grpc: { port: 9000 }'), { check: { service: '' } })
  t.match(ofGroup('exec: { command: [sh, -c, "a; b"] }'), { check: { kind: 'exec', command: ['sh', '-c', 'a; b'] } })
  t.match(ofGroup('timeoutSeconds: 2147483647, tcpSocket: { port: 1 }'), { timeoutMs: 2 ** 31 - 1 })
})

t.test('a unit is checked where an annotation names it, of the entry before that of the group', async t => {
  t.same(ofGroup('', 'weft.dev/health-unit: api.service'), {
    ...probeDefaults,
    check: { kind: 'unit', unit: 'api.service' },
  })
  t.match(ofGroup('periodSeconds: 2', 'weft.dev/health-unit: api'), {
    periodMs: 2000,
    check: { kind: 'unit', unit: 'api' },
  })
  t.match(ofGroup('periodSeconds: 2, tcpSocket: { port: 1 }', '', 'weft.dev/health-unit: api@1.service'), {
    periodMs: 2000,
    check: { kind: 'unit', unit: 'api@1.service' },
  })
})

t.test('a probe that means nothing, or two things, is refused at its place', async t => {
  const wrong: readonly [string, RegExp, string?][] = [
    ['periodSeconds: 5', /spec\.probe: needs one of httpGet, tcpSocket, exec, grpc/],
    ['tcpSocket: { port: 1 }, grpc: { port: 1 }', /spec\.probe: has tcpSocket and grpc/],
    ['tcpSocket: { port: 1 }', /spec\.probe\.tcpSocket: is one check too many/, 'weft.dev/health-unit: api'],
    ['httpGet: { port: 0 }', /spec\.probe\.httpGet\.port/],
    ['httpGet: { port: 1, path: "/a b" }', /httpGet\.path: must be a path/],
    ['httpGet: { port: 1, scheme: https }', /httpGet\.scheme: must be/],
    ['httpGet: { port: 1, httpHeaders: [{ name: "a b" }] }', /httpHeaders\[0\]\.name/],
    ['httpGet: { port: 1, httpHeaders: [{ name: a, value: "b\\nc" }] }', /httpHeaders\[0\]\.value/],
    ['tcpSocket: { port: 1, host: "a b" }', /tcpSocket\.host/],
    ['exec: { command: [] }', /exec\.command/],
    ['exec: { command: ["", a] }', /exec\.command/],
    ['tcpSocket: { port: 1 }, periodSecond: 1', /did you mean periodSeconds/],
    ['periodSeconds: -1, tcpSocket: { port: 1 }', /spec\.probe\.periodSeconds/],
    ['', /health-unit.*is not the name of a systemd unit/, 'weft.dev/health-unit: --root'],
  ]
  for (const [probe, message, annotations] of wrong) t.match(ofGroup(probe, annotations), message, probe)
})

t.test('the short form says the same in one line', async t => {
  t.same(native('{ tcp: 5432 }'), { ...probeDefaults, check: { kind: 'tcp', port: 5432 } })
  for (const [health, check] of [
    ['{ http: 8080 }', http],
    ['{ http: "http://:8080" }', http],
    ['{ http: "http://:8080/healthz?a=1" }', { ...http, path: '/healthz?a=1' }],
    ['{ http: "https://localhost/" }', { ...http, scheme: 'https', host: 'localhost', port: 443 }],
    ['{ http: "http://[fd00::7]:8080/" }', { ...http, host: 'fd00::7' }],
    ['{ http: "http://10.0.0.7" }', { ...http, host: '10.0.0.7', port: 80 }],
    [
      '{ http: { url: "http://:8080/", headers: { Host: api.example, x-a: [b, c] } } }',
      { ...http, headers: [['Host', 'api.example'], ...['b', 'c'].map(value => ['x-a', value])] },
    ],
    ['{ tcp: ":5432" }', { kind: 'tcp', port: 5432 }],
    ['{ tcp: "localhost:5432" }', { kind: 'tcp', host: 'localhost', port: 5432 }],
    ['{ grpc: 9000 }', { kind: 'grpc', port: 9000, service: '' }],
    ['{ grpc: ":9000/shop.Api" }', { kind: 'grpc', port: 9000, service: 'shop.Api' }],
    ['{ exec: [/usr/local/bin/check, -q] }', { kind: 'exec', command: ['/usr/local/bin/check', '-q'] }],
    ['{ unit: api.service }', { kind: 'unit', unit: 'api.service' }],
  ] as const) {
    t.same(native(health), { ...probeDefaults, check }, health)
  }
  const times = 'interval: 1m, timeout: 500ms, initialDelay: 0s, successThreshold: 2, failureThreshold: 5'
  t.match(native(`{ tcp: 1, ${times} }`), {
    periodMs: 60_000,
    timeoutMs: 500,
    initialDelayMs: 0,
    successThreshold: 2,
    failureThreshold: 5,
  })
})

t.test('what the short form cannot mean is refused with what it could', async t => {
  const wrong: readonly [string, RegExp][] = [
    ['{ interval: 5s }', /health: needs one of http, tcp, grpc, exec, unit/],
    ['{ tcp: 1, unit: api }', /health: has tcp and unit/],
    ['{ http: "localhost:8080/healthz" }', /must be a URL such as http:\/\/:8080\/healthz/],
    ['{ http: "ftp://:21/" }', /must be a URL/],
    ['{ http: "http://user@host:80/" }', /must be a URL/],
    ['{ http: "http://:99999/" }', /must be a URL/],
    ['{ http: "http://:80/#top" }', /must be a URL/],
    ['{ tcp: "localhost" }', /must be a port or host:port/],
    ['{ grpc: "localhost:9000" }', /must be a port or :port\/service/],
    ['{ exec: /bin/true }', /health\.exec/],
    ['{ unit: "api service" }', /is not the name of a systemd unit/],
    ['{ tcp: 1, interval: 5 }', /health\.interval/],
    ['{ tcp: 1, interval: 5sec }', /must be a duration such as 500ms, 5s or 1m/],
    ['{ tcp: 1, interval: 50ms }', /must be at least 100ms/],
    ['{ tcp: 1, timeout: 0s }', /must be at least 1ms/],
    ['{ tcp: 1, interval: 999h }', /is too long/],
    ['{ tcp: 1, intervall: 5s }', /did you mean interval/],
    ['{ http: { url: 80, headers: { "a b": c } } }', /is not the name of a header/],
  ]
  for (const [health, message] of wrong) t.match(native(health), message, health)
})
