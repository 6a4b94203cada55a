import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openAccessLog } from '../../../../../agent/dataplane/telemetry/access-log.ts'
import { factsOf } from '../../../../../agent/dataplane/telemetry/facts.ts'
import { systemClock } from '../../../../../mesh/std/clock.ts'

t.test('nothing that a peer says can forge a line, end a string, or steer a terminal', async t => {
  const file = join(t.testdir(), 'access.log')
  const log = openAccessLog(file, systemClock)
  const nasty = '"}\n{"verdict":"allowed"}\r\u001b[2J\u009b2J\u007f\u2028\u2029\\'
  const facts = { ...factsOf('inbound', '10.0.0.1:1'), sourceWorkload: nasty, destinationWorkload: nasty }
  log.connection({
    ...facts,
    verdict: 'refused',
    reason: 'BAD_REQUEST',
    detail: nasty,
    bytesSent: 0,
    bytesReceived: 0,
    durationMs: 1,
  })
  await log.stop()
  const text = readFileSync(file, 'utf8')
  t.match(text, /^[\x20-\x7e]+\n$/, 'one line of visible characters')
  t.match(JSON.parse(text), { verdict: 'refused', detail: nasty, 'src.workload': nasty })
})
