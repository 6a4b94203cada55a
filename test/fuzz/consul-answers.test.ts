import fc from 'fast-check'
import t from 'tap'
import { MeshError } from '../../mesh/std/errors.ts'
import { parseChecks, parseInstances, parseNodes, parseServiceNames } from '../../registry-adapters/consul/answers.ts'
import { translateService } from '../../registry-adapters/consul/translate-service.ts'
import { plainContext } from '../support/consul-instance.ts'

const anyText = fc.oneof(
  fc.string(),
  fc.constantFrom('', 'weft-uid', '10.0.0.1', '__proto__', 'weft.port=1', 'critical'),
)
const anyMap = fc.oneof(fc.dictionary(anyText, fc.oneof(anyText, fc.anything())), fc.constant(null), fc.anything())
const anyNumber = fc.oneof(fc.integer(), fc.double(), fc.constantFrom(0, 80, 65_536, -1))

/** An answer of `/v1/health/service/<name>` with anything at all in the places that the adapter reads. */
const anyInstances = fc.array(
  fc.record({
    Node: fc.record(
      { Node: anyText, Address: anyText, Datacenter: anyText, Meta: anyMap, TaggedAddresses: anyMap },
      { requiredKeys: [] },
    ),
    Service: fc.record(
      {
        Kind: fc.oneof(fc.constant(''), anyText),
        ID: anyText,
        Service: anyText,
        Tags: fc.oneof(fc.array(fc.oneof(anyText, fc.anything())), fc.constant(null)),
        Address: anyText,
        Meta: anyMap,
        Port: anyNumber,
        TaggedAddresses: fc.oneof(fc.dictionary(anyText, fc.record({ Address: anyText, Port: anyNumber })), anyMap),
        Weights: fc.oneof(fc.record({ Passing: anyNumber, Warning: anyNumber }), fc.anything()),
        ModifyIndex: anyNumber,
      },
      { requiredKeys: [] },
    ),
    Checks: fc.oneof(
      fc.array(fc.record({ CheckID: anyText, Status: anyText, ServiceName: anyText })),
      fc.array(fc.anything()),
      fc.constant(null),
    ),
  }),
)

t.test('any JSON is either read or refused with a code', async t => {
  const parsers = [parseServiceNames, parseNodes, parseChecks, parseInstances]
  fc.assert(
    fc.property(fc.oneof(fc.jsonValue(), fc.anything()), body => {
      for (const parse of parsers) {
        try {
          parse(body)
        } catch (error) {
          if (!(error instanceof MeshError) || error.code !== 'WEFT_REGISTRY_UNAVAILABLE') throw error
        }
      }
    }),
  )
  t.pass('none threw anything else')
})

t.test('whatever an instance holds, it is a workload that holds together or is left out by name', async t => {
  fc.assert(
    fc.property(anyInstances, fc.oneof(anyText, fc.constant('api')), (body, name) => {
      const instances = parseInstances(body)
      const { services, workloads, problems } = translateService(name, instances, {
        ...plainContext,
        addressTag: 'lan',
      })
      const ids = workloads.map(({ id }) => id)
      const known = new Set(ids)
      const holds =
        known.size === ids.length &&
        workloads.every(({ address, namespace }) => address !== '' && namespace !== '') &&
        services.every(({ ports }) => ports.every(({ port }) => Number.isInteger(port) && port > 0 && port < 65_536)) &&
        services.every(({ endpoints }) => endpoints.every(({ workload }) => known.has(workload))) &&
        problems.every(({ reason }) => !/[\n\r]/.test(reason))
      const skipped = instances.filter(({ kind }) => /^(connect-proxy|.*-gateway)$/.test(kind)).length
      return holds && (workloads.length + problems.length + skipped >= instances.length || name === 'consul')
    }),
    { numRuns: 500 },
  )
  t.pass('all held together')
})
