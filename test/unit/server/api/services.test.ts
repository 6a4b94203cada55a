import t from 'tap'
import { createApiWorld } from '../../../support/api-world.ts'

const step = (more: object = {}) => JSON.stringify({ from: 'files', to: 'consul', step: 10, ...more })

t.test('a service is shown with its rule, its registries and every endpoint', async t => {
  const { operator, clock } = await createApiWorld(t)
  const answer = await operator('GET', '/v1/services/default/api')
  t.equal(answer.status, 200)
  t.equal(answer.json.now, clock.now())
  const common = { weight: 1, health: 'healthy', since: 0, healthSince: 0, held: false }
  t.match(answer.json.services, [
    {
      namespace: 'default',
      name: 'api',
      rule: 'error',
      ruleFrom: 'merge.rule',
      registries: [
        { registry: 'files', share: 100, endpoints: 1, healthy: 1 },
        { registry: 'consul', share: 0, endpoints: 1, healthy: 1 },
      ],
      endpoints: [
        { ...common, workload: 'files/api-1', addresses: ['10.0.0.1:8080'], node: 'h2', share: 100, used: true },
        { ...common, workload: 'consul/api-2', addresses: ['10.0.0.2:8080'], share: 0, used: false },
      ],
    },
  ])
  t.match(await operator('GET', '/v1/services?detail=true'), { json: { services: [{ name: 'api' }] } })
  t.match(await operator('GET', '/v1/services/default/web'), {
    status: 404,
    json: { code: 'WEFT_NOT_FOUND', message: 'there is no service default/web' },
  })
})

t.test('a step of a migration answers with both sides, and the rule says it from then on', async t => {
  const { operator } = await createApiWorld(t)
  t.match(await operator('POST', '/v1/services/default/api/migrate', step()), {
    status: 200,
    json: { from: { before: 100, after: 90 }, to: { before: 0, after: 10, healthy: 1 }, changed: true },
  })
  t.match(await operator('GET', '/v1/services/default/api'), {
    json: {
      services: [{ rule: 'union', ruleFrom: 'ServiceMerge default/api', registries: [{ share: 90 }, { share: 10 }] }],
    },
  })
  t.match(await operator('POST', '/v1/services/default/api/migrate', step({ step: undefined, share: 0 })), {
    json: { from: { after: 100 } },
  })
})

t.test('a migration that cannot be is refused with its code and reason', async t => {
  const { operator } = await createApiWorld(t)
  const refused = async (body: string, name = 'api') => {
    const { status, json } = await operator('POST', `/v1/services/default/${name}/migrate`, body)
    return [status, json.code]
  }
  t.same(await refused(step({ from: 'consul', to: 'files' })), [409, 'WEFT_MIGRATION_REFUSED'])
  t.same(await refused(step({ to: 'resources' })), [409, 'WEFT_MIGRATION_REFUSED'])
  t.same(await refused(step({ atLeastHealthy: 2 })), [409, 'WEFT_MIGRATION_REFUSED'])
  t.same(await refused(step({ to: 'nomad' })), [404, 'WEFT_NOT_FOUND'])
  t.same(await refused(step(), 'web'), [404, 'WEFT_NOT_FOUND'])
  for (const more of [{ step: 0 }, { step: 101 }, { step: 1.5 }, { step: '10' }, { share: 10 }, { step: undefined }]) {
    t.same(await refused(step(more)), [400, 'WEFT_USAGE'], JSON.stringify(more))
  }
  t.same(await refused(step({ step: undefined, share: 101 })), [400, 'WEFT_USAGE'])
  t.same(await refused('{}'), [400, 'WEFT_USAGE'])
})

t.test('a stored rule that names a registry which this server has lost is shown as a problem', async t => {
  const { operator } = await createApiWorld(t)
  await operator('POST', '/v1/services/default/api/migrate', step())
  const { json } = await operator('GET', '/v1/status')
  t.match(json.problems, [
    { item: 'ServiceMerge default/api', reason: /^spec\.weights\.consul: consul is no registry of this server/ },
  ])
})
