import t from 'tap'
import { startDataPlane } from '../../../../agent/dataplane/start.ts'
import type { AgentConfig } from '../../../../mesh/model/agent-config.ts'
import { silentLog } from '../../../../mesh/std/log.ts'
import { aConfig } from '../../../support/agent-config.ts'
import { until } from '../../../support/eventually.ts'

t.test('whoever waits for a data thread that ends by itself is told, and so is whoever asks later', async t => {
  const failures: Error[] = []
  const plane = startDataPlane({ log: silentLog, failed: error => failures.push(error) }, { threads: 2 })
  t.teardown(() => plane.stop())
  t.strictSame(await plane.apply(aConfig()), [])
  // Nothing that passes the border looks like this: it stands for any failure nobody has thought of.
  const poison = { ...aConfig(), services: undefined } as unknown as AgentConfig
  await t.rejects(plane.apply(poison), { code: 'WEFT_AGENT_FAILED' })
  await until('it is reported', () => failures.length > 0)
  await t.rejects(plane.collect(), { code: 'WEFT_AGENT_FAILED' })
  await t.rejects(plane.drain(1000), { code: 'WEFT_AGENT_FAILED' })
})

t.test('stopping answers whoever still waits', async t => {
  const plane = startDataPlane({ log: silentLog, failed() {} }, { threads: 1 })
  const waiting = plane.apply(aConfig()).then(
    () => 'answered',
    () => 'told',
  )
  await plane.stop()
  t.ok(['answered', 'told'].includes(await waiting))
})
