import t from 'tap'
import { createConsulAttestor } from '../../../../../server/identity/attest/consul.ts'
import { attestorCompliance } from '../../../../compliance/attestor.ts'

const now = 1_795_313_000_000
const token = (last: number) => `00000000-1111-2222-3333-${String(last).padStart(12, '0')}`
const anonymous = '00000000-0000-0000-0000-000000000002'
const node = { NodeName: 'vm-1', Datacenter: 'dc1' }
const good = (last: number) => ({ AccessorID: `accessor-${last}`, SecretID: token(last), NodeIdentities: [node] })

/** What Consul says of each token by itself. */
const known: Readonly<Record<string, unknown>> = {
  [token(1)]: good(1),
  [token(2)]: { ...good(2), Policies: [{ ID: '00000000-0000-0000-0000-000000000001', Name: 'renamed' }] },
  [token(3)]: { ...good(3), AccessorID: anonymous },
  [token(4)]: { ...good(4), NodeIdentities: [] },
  [token(5)]: { ...good(5), NodeIdentities: [node, { ...node, NodeName: 'vm-2' }] },
  [token(6)]: { ...good(6), SecretID: token(1) },
  [token(7)]: { ...good(7), ExpirationTime: '2020-01-01T00:00:00Z' },
  [token(8)]: { ...good(8), NodeIdentities: [{ NodeName: 'vm-1' }] },
  [token(9)]: ['nonsense'],
}
const evidence = (last: number) => () => ({ kind: 'consul', payload: token(last) }) as const

attestorCompliance(t, async () => ({
  attestor: createConsulAttestor({ self: async asked => known[asked] }),
  now,
  node: 'vm-1',
  good: evidence(1),
  bad: {
    'of nobody': evidence(99),
    'that can manage consul': evidence(2),
    anonymous: evidence(3),
    'of no node': evidence(4),
    'of two nodes': evidence(5),
    'that consul answers for with another one': evidence(6),
    'that has expired': evidence(7),
    'of a node without datacenter': evidence(8),
    'with nonsense for an answer': evidence(9),
    'with a line end in it': () => ({ kind: 'consul', payload: `${token(1)}\r\nx-other: 1` }),
  },
}))
