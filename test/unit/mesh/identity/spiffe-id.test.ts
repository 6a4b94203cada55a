import t from 'tap'
import {
  agentSpiffeId,
  formatSpiffeId,
  parseSpiffeId,
  serverSpiffeId,
  workloadSpiffeId,
} from '../../../../mesh/identity/spiffe-id.ts'

t.test('reads the three kinds of ids and writes them back', t => {
  const ids = [
    [
      'spiffe://td.example/ns/default/sa/web',
      { kind: 'workload', trustDomain: 'td.example', namespace: 'default', serviceAccount: 'web' },
    ],
    [
      'spiffe://t_d-1.x/ns/0/sa/a.b_c-d',
      { kind: 'workload', trustDomain: 't_d-1.x', namespace: '0', serviceAccount: 'a.b_c-d' },
    ],
    ['spiffe://td/mesh/agent/VM-17.example', { kind: 'agent', trustDomain: 'td', node: 'VM-17.example' }],
    ['spiffe://td/mesh/server/s1', { kind: 'server', trustDomain: 'td', name: 's1' }],
  ] as const
  for (const [text, id] of ids) {
    t.same(parseSpiffeId(text), id)
    t.equal(formatSpiffeId(id), text)
    t.ok(Object.isFrozen(parseSpiffeId(text)))
  }
  t.equal(workloadSpiffeId('td', 'default', 'web'), 'spiffe://td/ns/default/sa/web')
  t.equal(agentSpiffeId('td', 'vm'), 'spiffe://td/mesh/agent/vm')
  t.equal(serverSpiffeId('td', 's'), 'spiffe://td/mesh/server/s')
  t.end()
})

t.test('refuses everything the standard does not allow, and every path that is not ours', t => {
  const wrong = [
    '',
    'spiffe://',
    'spiffe:///ns/a/sa/b',
    'spiffe:/td/ns/a/sa/b',
    'SPIFFE://td/ns/a/sa/b',
    'Spiffe://td/ns/a/sa/b',
    'https://td/ns/a/sa/b',
    ' spiffe://td/ns/a/sa/b',
    'spiffe://td/ns/a/sa/b ',
    'spiffe://td/ns/a/sa/b\n',
    'spiffe://TD/ns/a/sa/b',
    'spiffe://td:80/ns/a/sa/b',
    'spiffe://user@td/ns/a/sa/b',
    'spiffe://td.ex%61mple/ns/a/sa/b',
    'spiffe://täst/ns/a/sa/b',
    `spiffe://${'t'.repeat(256)}/ns/a/sa/b`,
    'spiffe://td',
    'spiffe://td/',
    'spiffe://td//ns/a/sa/b',
    'spiffe://td/ns/a/sa/b/',
    'spiffe://td/ns//sa/b',
    'spiffe://td/ns/a/sa/',
    'spiffe://td/ns/a/sa/.',
    'spiffe://td/ns/a/sa/..',
    'spiffe://td/ns/../sa/b',
    'spiffe://td/ns/a/sa/%62',
    'spiffe://td/ns/a/sa/b?x=1',
    'spiffe://td/ns/a/sa/b#x',
    'spiffe://td/ns/a/sa/b\u0000',
    'spiffe://td/ns/a/sa/b,URI:spiffe://td/ns/a/sa/c',
    'spiffe://td/ns/a/sa/b c',
    'spiffe://td/ns/a/sa/B',
    'spiffe://td/ns/a/sa/-b',
    'spiffe://td/ns/a/sa/b..c',
    'spiffe://td/ns/a.b/sa/c',
    'spiffe://td/ns/A/sa/b',
    'spiffe://td/ns/a-/sa/b',
    `spiffe://td/ns/${'a'.repeat(64)}/sa/b`,
    `spiffe://td/ns/a/sa/${'b'.repeat(254)}`,
    'spiffe://td/ns/a/sb/b',
    'spiffe://td/NS/a/SA/b',
    'spiffe://td/ns/a/sa/b/extra',
    'spiffe://td/workload',
    'spiffe://td/mesh/agent',
    'spiffe://td/mesh/agent/',
    'spiffe://td/mesh/agent/..',
    'spiffe://td/mesh/agent/a/b',
    'spiffe://td/mesh/other/a',
    `spiffe://td/mesh/agent/${'a'.repeat(254)}`,
    `spiffe://td/${'a/'.repeat(1100)}`,
  ]
  for (const text of wrong)
    t.throws(() => parseSpiffeId(text), { name: 'MeshError', code: 'WEFT_SPIFFE_ID' }, JSON.stringify(text))
  t.end()
})

t.test('refuses names that cannot be mapped instead of rewriting them', t => {
  for (const name of ['', 'Web', 'web/admin', 'web admin', '.', '..', 'a..b', 'wéb', 'web\n', '-web', 'web_']) {
    t.throws(
      () => workloadSpiffeId('td', 'default', name),
      { code: 'WEFT_SPIFFE_ID' },
      `service account ${JSON.stringify(name)}`,
    )
  }
  for (const name of ['', 'a.b', 'a_b', 'A', '-a', 'a-', 'sa/x']) {
    t.throws(() => workloadSpiffeId('td', name, 'web'), { code: 'WEFT_SPIFFE_ID' }, `namespace ${JSON.stringify(name)}`)
  }
  for (const name of ['', 'a/b', '.', '..', 'a b', 'ä', 'a%20b']) {
    t.throws(() => agentSpiffeId('td', name), { code: 'WEFT_SPIFFE_ID' }, `node ${JSON.stringify(name)}`)
    t.throws(() => serverSpiffeId('td', name), { code: 'WEFT_SPIFFE_ID' }, `server ${JSON.stringify(name)}`)
  }
  for (const name of ['', 'TD', 'a/b', 'a b', 'td:1']) {
    t.throws(
      () => workloadSpiffeId(name, 'default', 'web'),
      { code: 'WEFT_SPIFFE_ID' },
      `trust domain ${JSON.stringify(name)}`,
    )
  }
  t.end()
})
