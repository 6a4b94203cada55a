import t from 'tap'
import { judge, undecided } from '../../../../agent/health/thresholds.ts'
import { probeDefaults } from '../../../../mesh/model/probe.ts'

/** What is decided after each of the results: `+` a success, `-` a failure. */
function decisions(results: string, successThreshold: number, failureThreshold: number): string {
  const probe = { ...probeDefaults, check: { kind: 'tcp', port: 1 } as const, successThreshold, failureThreshold }
  let verdict = undecided
  return [...results]
    .map(result => {
      verdict = judge(verdict, { healthy: result === '+', reason: result === '+' ? '' : 'down' }, probe)
      return verdict.healthy === undefined ? '?' : verdict.healthy ? '+' : '-'
    })
    .join('')
}

t.test('the first success decides at once, failures only in a row of their threshold', async t => {
  t.equal(decisions('+', 5, 3), '+')
  t.equal(decisions('---', 1, 3), '??-')
  t.equal(decisions('--+', 5, 3), '??+')
  t.equal(decisions('-', 1, 1), '-')
})

t.test('after that it takes as many in a row as the thresholds say', async t => {
  t.equal(decisions('+--+---+', 1, 3), '++++++-+')
  t.equal(decisions('---++-+++', 3, 3), '??------+')
  t.equal(decisions('+-+-+-', 1, 1), '+-+-+-')
})

t.test('the reason is that of the last failure', async t => {
  const probe = { ...probeDefaults, check: { kind: 'tcp', port: 1 } as const, successThreshold: 2, failureThreshold: 1 }
  const failed = judge(undecided, { healthy: false, reason: 'down' }, probe)
  const recovering = judge(failed, { healthy: true, reason: '' }, probe)
  t.match(recovering, { healthy: false, reason: 'down' })
})
