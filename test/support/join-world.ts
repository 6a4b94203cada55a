import type { Test } from 'tap'
import { createCsr } from '../../mesh/identity/csr.ts'
import { parseJoinToken } from '../../mesh/identity/join-token.ts'
import { generateKeys, type KeyPair } from '../../mesh/identity/keys.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { createAdmission } from '../../server/identity/admission.ts'
import type { Attestor, EvidenceKind } from '../../server/identity/attest/attestor.ts'
import { createJoinTokenAttestor } from '../../server/identity/attest/join-token.ts'
import { openAuthority } from '../../server/identity/authority.ts'
import { type JoinRequest, joinNode } from '../../server/identity/join.ts'
import { createJoinTokens, type NewJoinToken } from '../../server/identity/join-tokens.ts'
import { openSqliteStore } from '../../server/store/sqlite.ts'
import { FakeClock } from '../fakes/clock.ts'
import { recordedLog } from './recorded-log.ts'

/** Everything a server needs to let nodes join, real but for the clock. */
export async function createJoinWorld(t: Test) {
  const clock = new FakeClock()
  const log = recordedLog()
  const store = openSqliteStore(':memory:', { log })
  t.teardown(() => store.close())
  const authority = await openAuthority({ dataDir: t.testdir({}), trustDomain: 'td' }, { clock, log })
  const tokens = createJoinTokens({ store: store.joinTokens, authority, clock, log })
  const attestors = new Map<EvidenceKind, Attestor>([['join-token', createJoinTokenAttestor(store.joinTokens)]])
  const policies: Resource[] = []
  const admission = () =>
    createAdmission({
      resources: policies,
      rootNamespace: 'weft-system',
      operatorDeclared: registry => registry === 'files',
      scheduled: registry => registry === 'nomad',
    })
  /** What hosts that join are judged by; further attestors and policies may be put in. */
  const judging = { attestors, admission, proofs: store.proofs }
  const joinWith = joinNode({ ...judging, nodes: store.nodes, authority, clock, log })
  const join = ({ secret, node, csr }: { secret: string; node: string; csr: Uint8Array }) =>
    joinWith({ evidence: { kind: 'join-token', payload: secret }, node, csr }, new AbortController().signal)
  /** The secret of a new token. */
  const secretFor = async (node: string, more: Omit<NewJoinToken, 'node'> = {}) =>
    parseJoinToken((await tokens.create({ node, ...more })).token).secret
  return {
    clock,
    log,
    store,
    authority,
    tokens,
    judging,
    policies,
    /** With evidence of any kind. */
    joinWith: (request: JoinRequest, signal = new AbortController().signal) => joinWith(request, signal),
    join,
    secretFor,
    /** Joins a node with a token of its own and gives its keys. */
    async joined(node: string, identities: readonly string[] = []): Promise<KeyPair> {
      const keys = generateKeys()
      await join({ node, secret: await secretFor(node, { identities }), csr: createCsr(keys) })
      return keys
    },
    /** Reasons of refusals, as the log has them. */
    reasons: () => log.lines.filter(({ level }) => level === 'warn').map(({ fields }) => fields.reason),
  }
}
