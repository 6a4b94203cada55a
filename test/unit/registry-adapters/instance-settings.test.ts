import t from 'tap'
import { refusalOf } from '../../../registry-adapters/instance-names.ts'
import {
  protocolOf,
  readSettings,
  servicePortOf,
  settingsInTags,
  weightOf,
} from '../../../registry-adapters/instance-settings.ts'
import { labelsFrom } from '../../../registry-adapters/labels.ts'
import { mostFrequent } from '../../../registry-adapters/most-frequent.ts'

t.test('tags that begin with weft are settings, and the first of two that differ counts', async t => {
  const tags = [
    'v2',
    'weft.protocol=http',
    'weft-port=80',
    'weft.port=81',
    'weft.colour=red',
    'weft.label.a=b',
    'weft.x',
  ]
  const { settings, reasons } = readSettings(settingsInTags(tags))
  t.same(settings, { protocol: 'http', port: '80' })
  t.same(reasons, ['weft-port is said more than once, "80" is used', 'unknown setting "weft.colour"'])
})

t.test('a misspelt setting is reported with what was meant', async t => {
  const { reasons } = readSettings(settingsInTags(['weft.protocl=http']))
  t.same(reasons, ['unknown setting "weft.protocl", did you mean weft-protocol?'])
})

t.test('ports, protocols and weights out of bounds are reasons and no values', async t => {
  t.same(servicePortOf({ port: '80' }), { port: 80, reasons: [] })
  for (const port of ['0', '65536', '-1', '8e1', '']) t.equal(servicePortOf({ port }).reasons.length, 1, port)
  t.same(protocolOf({ protocol: 'grpc' }), { protocol: 'grpc', reasons: [] })
  t.equal(protocolOf({ protocol: 'HTTP' }).reasons.length, 1)
  t.same(weightOf({ weight: '0' }), { weight: 0, reasons: [] })
  t.same(weightOf({ weight: '4294967295' }), { weight: 4_294_967_295, reasons: [] })
  for (const weight of ['4294967296', '-1', '1.5', 'NaN', '']) {
    const { weight: none, reasons } = weightOf({ weight })
    t.equal(none, undefined)
    t.equal(reasons.length, 1, weight)
  }
})

t.test('a label said to Weft goes before meta, meta before tags, tags before the adapter', async t => {
  const own = { app: 'api', canary: 'true', job: 'not a label value' }
  const sources = { own, tagPrefix: 'x.tag', tags: ['v2', 'weft.label.version=3', 'weft.label.-=x'], meta: {} }
  t.same(labelsFrom(sources), { app: 'api', canary: 'true', 'x.tag/v2': 'true', version: '3' })
  t.same(labelsFrom({ ...sources, meta: { version: '2', app: 'shop' } }).version, '3')
  t.same(labelsFrom({ ...sources, meta: { version: '2', app: 'shop' } }).app, 'shop')
})

t.test('what leaves an instance out as a whole is named', async t => {
  const good = { service: 'api', namespace: 'default', serviceAccount: 'api', node: 'vm-1', port: 80 }
  t.equal(refusalOf(good), undefined)
  t.equal(refusalOf({ ...good, port: 0, serviceAccount: undefined }), undefined)
  t.match(refusalOf({ ...good, service: 'My_Api' }), /"My_Api" is not a DNS label/)
  t.match(refusalOf({ ...good, namespace: '' }), /namespace/)
  t.match(refusalOf({ ...good, serviceAccount: 'a/b' }), /identity/)
  t.match(refusalOf({ ...good, node: 'a/b' }), /slash/)
  t.match(refusalOf({ ...good, port: 70_000 }), /70000/)
})

t.test('of equally frequent values the smallest counts', async t => {
  t.equal(mostFrequent([]), undefined)
  t.same(mostFrequent([80, 80]), { value: 80, agreed: true })
  t.same(mostFrequent([90, 80, 90, 80, 70]), { value: 80, agreed: false })
})
