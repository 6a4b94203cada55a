import { appendFileSync, mkdirSync, readFileSync } from 'node:fs'
import t from 'tap'
import { openIssuanceLog } from '../../../../server/identity/issuance-log.ts'
import type { Issued } from '../../../../server/identity/issued.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

const day = 24 * 3_600_000
const start = Date.UTC(2030, 0, 31, 12)

const issued = (more: Partial<Issued> = {}): Issued => ({
  at: start,
  node: 'vm-1',
  identity: 'spiffe://td/ns/default/sa/web',
  evidence: 'join-token',
  keyHash: 'key',
  serial: '01',
  notBefore: start,
  notAfter: start + day,
  ...more,
})

t.test('knows whose key it is for as long as a certificate for it is valid, also after a restart', t => {
  const folder = t.testdir({})
  const first = openIssuanceLog({ folder, now: start, log: recordedLog() })
  first.append(issued())
  first.append(issued({ keyHash: 'other', node: '' }))
  first.append(issued({ at: start + day, notAfter: start + day / 2 }))
  for (const log of [first, openIssuanceLog({ folder, now: start + day, log: recordedLog() })]) {
    t.equal(log.ownerOf('key', start + day), 'vm-1', 'the longest life counts')
    t.equal(log.ownerOf('key', start + day + 1), undefined)
    t.equal(log.ownerOf('other', start + day), '', 'the server itself')
    t.equal(log.ownerOf('unknown', start), undefined)
  }
  t.end()
})

t.test('writes a file a month and reads none that can hold nothing valid', t => {
  const folder = t.testdir({ 'issued-2029-01.jsonl': 'old and unreadable\n', 'notes.txt': 'x' })
  const log = recordedLog()
  const issuance = openIssuanceLog({ folder, now: start, log })
  issuance.append(issued())
  issuance.append(issued({ at: start + day, serial: '02' }))
  t.equal(readFileSync(`${folder}/issued-2030-01.jsonl`, 'utf8').split('\n').length, 2)
  t.match(JSON.parse(readFileSync(`${folder}/issued-2030-02.jsonl`, 'utf8')), { serial: '02' })
  t.same(log.lines, [])
  t.end()
})

t.test('skips lines that a crash cut short, says so, and goes on in a new line', t => {
  const folder = t.testdir({})
  const path = `${folder}/issued-2030-01.jsonl`
  openIssuanceLog({ folder, now: start, log: recordedLog() }).append(issued())
  appendFileSync(path, '{"at":1,"no')
  const log = recordedLog()
  const issuance = openIssuanceLog({ folder, now: start, log })
  t.match(log.lines, [{ level: 'warn', fields: { path, lines: 1 } }])
  t.equal(issuance.ownerOf('key', start), 'vm-1')
  issuance.append(issued({ keyHash: 'next', node: 'vm-2' }))
  t.equal(openIssuanceLog({ folder, now: start, log: recordedLog() }).ownerOf('next', start), 'vm-2')
  for (const line of ['null', '7', '[]', '{"keyHash":1,"node":"x","notAfter":9e99}']) appendFileSync(path, `${line}\n`)
  t.equal(openIssuanceLog({ folder, now: start, log: recordedLog() }).ownerOf('next', start), 'vm-2')
  t.end()
})

t.test('forgets keys whose certificates have expired', t => {
  const folder = t.testdir({})
  const issuance = openIssuanceLog({ folder, now: start, log: recordedLog() })
  issuance.append(issued({ keyHash: 'kept', notAfter: start + 3 * day }))
  for (let at = 0; at < 1_998; at += 1) issuance.append(issued({ keyHash: `key-${at}` }))
  issuance.append(issued({ at: start + 2 * day, keyHash: 'new', notAfter: start + 3 * day }))
  t.equal(issuance.ownerOf('key-0', start), undefined, 'gone for good')
  t.equal(issuance.ownerOf('kept', start + 2 * day), 'vm-1')
  t.equal(issuance.ownerOf('new', start + 2 * day), 'vm-1')
  t.end()
})

t.test('throws when it cannot write, and remembers nothing then', t => {
  const folder = t.testdir({})
  const issuance = openIssuanceLog({ folder, now: start, log: recordedLog() })
  mkdirSync(`${folder}/issued-2031-06.jsonl`)
  const blocked = Date.UTC(2031, 5, 1)
  t.throws(() => issuance.append(issued({ at: blocked })), { code: 'WEFT_STORE' })
  t.equal(issuance.ownerOf('key', start), undefined)
  t.throws(() => openIssuanceLog({ folder, now: start, log: recordedLog() }), { code: 'WEFT_STORE' })
  t.end()
})
