import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { unitCheck } from '../../../../agent/health/unit.ts'

/** A `systemctl` that records its arguments and says what it is told to. */
function systemctl(t: Test, says: string) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-unit-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'systemctl')
  writeFileSync(file, `#!/bin/sh\necho "$@" > ${folder}/arguments\n${says}\n`, { mode: 0o700 })
  const check = (unit = 'api.service') => unitCheck(file)({ kind: 'unit', unit }, '', AbortSignal.timeout(20_000))
  return { check, asked: () => readFileSync(join(folder, 'arguments'), 'utf8').trim() }
}

function states(load: string, active: string, sub: string): string {
  return `printf 'LoadState=${load}\\nActiveState=${active}\\nSubState=${sub}\\n'`
}

t.test('a unit that is active or reloads is healthy, any other state is the reason', async t => {
  for (const [says, result] of [
    [states('loaded', 'active', 'running'), { healthy: true, reason: '' }],
    [states('loaded', 'active', 'exited'), { healthy: true, reason: '' }],
    [states('loaded', 'reloading', 'reload'), { healthy: true, reason: '' }],
    [states('loaded', 'activating', 'auto-restart'), { healthy: false, reason: 'activating (auto-restart)' }],
    [states('loaded', 'failed', 'failed'), { healthy: false, reason: 'failed (failed)' }],
    [states('loaded', 'inactive', 'dead'), { healthy: false, reason: 'inactive (dead)' }],
    [states('not-found', 'inactive', 'dead'), { healthy: false, reason: 'there is no such unit' }],
    ['true', { healthy: false, reason: 'systemd says no state' }],
  ] as const) {
    t.same(await systemctl(t, says).check(), result, says)
  }
})

t.test('the name of a unit is never an option', async t => {
  const { check, asked } = systemctl(t, 'true')
  await check('api@1.service')
  t.equal(asked(), 'show --property=LoadState,ActiveState,SubState -- api@1.service')
})

t.test('a host without systemd is unhealthy and says so', async t => {
  const noBus = 'echo "System has not been booted with systemd as init system (PID 1)." >&2; exit 1'
  t.same(await systemctl(t, noBus).check(), {
    healthy: false,
    reason: 'System has not been booted with systemd as init system (PID 1).',
  })
  const missing = unitCheck('/usr/bin/weft-no-such-systemctl')
  t.same(await missing({ kind: 'unit', unit: 'api' }, '', AbortSignal.timeout(20_000)), {
    healthy: false,
    reason: 'systemd does not answer: the program is not there',
  })
})

t.test('the systemctl of this machine knows no unit of a name nobody gives', async t => {
  const result = await unitCheck()({ kind: 'unit', unit: 'weft-no-such-unit' }, '', AbortSignal.timeout(20_000))
  t.equal(result.healthy, false)
  t.match(result.reason, /no such unit|systemd|bus|not there/i)
})
