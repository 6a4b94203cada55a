import fc from 'fast-check'
import t from 'tap'
import { unknownLocality as locality } from '../../mesh/model/locality.ts'
import { type ProbeCheck, probeDefaults } from '../../mesh/model/probe.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { decodeResource, encodeResource } from '../../mesh/wire/agent-config-codec.ts'
import {
  decodeAgentMessage,
  decodeServerMessage,
  encodeAgentMessage,
  encodeServerMessage,
} from '../../mesh/wire/codec.ts'
import { wholePolicyResources } from '../support/policies.ts'
import { hostResource, serviceResource, trustResource, workloadResource } from '../support/resources.ts'
import { wholeTrafficResources } from '../support/traffic.ts'

const checks: readonly ProbeCheck[] = [
  { kind: 'http', scheme: 'https', host: 'a.example', port: 8443, path: '/healthz', headers: [['x-a', 'b']] },
  { kind: 'grpc', port: 9000, service: 'shop.Api' },
  { kind: 'exec', command: ['sh', '-c', 'exit 0'] },
  { kind: 'unit', unit: 'api.service' },
]
const probed = { ...workloadResource, probes: checks.map(check => ({ ...probeDefaults, check })) }
const dnsEndpoints = [{ name: 'a.example', ports: { http: 80 }, weight: 1, labels: { a: 'b' }, locality }]
const service = { ...serviceResource('api'), exportTo: ['shop'], resolution: 'dns', dnsEndpoints } as const
const resources = [
  hostResource,
  trustResource(),
  probed,
  service,
  ...wholeTrafficResources,
  ...wholePolicyResources,
].map(encodeResource)

const valid: readonly Buffer[] = [
  encodeAgentMessage({
    kind: 'hello',
    protocol: 1,
    agentVersion: '0.1.0',
    have: resources.map(({ name, hash }) => ({ name, hash })),
    facts: { kernel: '6.18', os: 'Debian' },
    capabilities: ['policy-dry-run'],
  }),
  encodeAgentMessage({ kind: 'nack', version: 7, rejected: [{ name: 'host', reason: 'no' }] }),
  encodeAgentMessage({ kind: 'sign-request', id: 1, identity: 'spiffe://a/ns/b/sa/c', csr: Buffer.alloc(20, 7) }),
  encodeAgentMessage({
    kind: 'report',
    health: [{ workload: 'static/api-1', healthy: false, reason: 'connection refused' }],
    registrations: [{ group: 'a/b', name: 'c', address: '10.0.0.7', ports: { http: 80 }, maintenance: 'x' }],
  }),
  encodeServerMessage({ kind: 'push', version: 9, full: true, changed: resources, removed: ['service/a/b'] }),
  encodeServerMessage({ kind: 'sign-response', id: 1, chain: ['PEM'], error: { code: 'WEFT_STORE', reason: 'x' } }),
  ...resources.map(({ body }) => body),
]

/** A valid message with bytes overwritten, cut out, or put in. */
const mutated = fc
  .record({
    base: fc.constantFrom(...valid),
    edits: fc.array(fc.record({ at: fc.nat(), drop: fc.nat(4), insert: fc.uint8Array({ maxLength: 6 }) }), {
      minLength: 1,
      maxLength: 6,
    }),
  })
  .map(({ base, edits }) =>
    edits.reduce((bytes, { at, drop, insert }) => {
      const from = at % (bytes.length + 1)
      return Buffer.concat([bytes.subarray(0, from), insert, bytes.subarray(from + drop)])
    }, base),
  )

const random = fc.uint8Array({ maxLength: 400 }).map(bytes => Buffer.from(bytes))

for (const [what, bytes] of [
  ['random bytes', random],
  ['mutated messages', mutated],
] as const) {
  t.test(`${what} give a message or a WEFT_WIRE error and nothing else`, async t => {
    let refused = 0
    const orWireError = (decode: () => unknown) => {
      try {
        decode()
      } catch (error) {
        if (!(error instanceof MeshError) || error.code !== 'WEFT_WIRE') throw error
        refused += 1
      }
    }
    fc.assert(
      fc.property(bytes, input => {
        orWireError(() => encodeAgentMessage(decodeAgentMessage(input)))
        orWireError(() => encodeServerMessage(decodeServerMessage(input)))
        for (const { name } of resources) orWireError(() => encodeResource(decodeResource(name, input)))
      }),
      { numRuns: 3000 },
    )
    t.ok(refused > 0)
  })
}

t.test('whatever is accepted means the same after another round', async t => {
  fc.assert(
    fc.property(mutated, input => {
      for (const { name } of resources) {
        let resource: ReturnType<typeof decodeResource>
        try {
          resource = decodeResource(name, input)
        } catch {
          continue
        }
        const again = encodeResource(resource)
        t.strictSame(decodeResource(name, again.body), resource)
      }
    }),
    { numRuns: 2000 },
  )
})
