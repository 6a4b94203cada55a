import t from 'tap'
import { newJoinSecret } from '../../../../../mesh/identity/join-token.ts'
import { createJoinTokenAttestor } from '../../../../../server/identity/attest/join-token.ts'
import { attestorCompliance } from '../../../../compliance/attestor.ts'
import { createJoinWorld } from '../../../../support/join-world.ts'

attestorCompliance(t, async t => {
  const { store, clock, secretFor } = await createJoinWorld(t)
  const evidence = async (node: string) => ({ kind: 'join-token', payload: await secretFor(node) }) as const
  return {
    attestor: createJoinTokenAttestor(store.joinTokens),
    now: clock.now(),
    node: 'vm-1',
    good: () => evidence('vm-1'),
    tooLate: clock.now() + 10 * 60_000,
    bad: {
      'of nobody': () => ({ kind: 'join-token', payload: newJoinSecret() }),
      'of another node': () => evidence('vm-2'),
    },
  }
})
