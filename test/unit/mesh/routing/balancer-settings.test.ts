import t from 'tap'
import { balancerSettings } from '../../../../mesh/routing/balancer-settings.ts'

t.test('balancing by reported load has the defaults of Istio, and no updates oftener than every 100 ms', async t => {
  t.same(balancerSettings({ backendUtilization: {} }), {
    kind: 'backend-utilization',
    warmup: undefined,
    stabilizationMs: 10_000,
    expirationMs: 180_000,
    updateMs: 1000,
    errorPenalty: 1,
    metrics: [],
  })
  for (const weightUpdatePeriod of ['-1s', '100us', '100ms']) {
    t.match(balancerSettings({ backendUtilization: { weightUpdatePeriod } }), { updateMs: 100 })
  }
  const given = balancerSettings({
    warmup: { duration: '10s' },
    backendUtilization: {
      weightStabilizationPeriod: '0s',
      weightExpirationPeriod: '1m',
      weightUpdatePeriod: '5s',
      errorUtilizationPenaltyPercent: 150,
      metricNamesForComputingUtilization: ['named_metrics.queue'],
    },
  })
  t.match(given, { stabilizationMs: 0, expirationMs: 60_000, updateMs: 5000, errorPenalty: 1.5 })
  t.match(given, { warmup: { durationMs: 10_000 }, metrics: ['named_metrics.queue'] })
})
