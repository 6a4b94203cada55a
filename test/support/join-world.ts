import type { Test } from 'tap'
import { createCsr } from '../../mesh/identity/csr.ts'
import { parseJoinToken } from '../../mesh/identity/join-token.ts'
import { generateKeys, type KeyPair } from '../../mesh/identity/keys.ts'
import { openAuthority } from '../../server/identity/authority.ts'
import { joinNode } from '../../server/identity/join.ts'
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
  const join = joinNode({ tokens: store.joinTokens, nodes: store.nodes, authority, clock, log })
  /** The secret of a new token. */
  const secretFor = async (node: string, more: Omit<NewJoinToken, 'node'> = {}) =>
    parseJoinToken((await tokens.create({ node, ...more })).token).secret
  return {
    clock,
    log,
    store,
    authority,
    tokens,
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
