import { createHash } from 'node:crypto'
import { isObject, items, type JsonObject, objectOf, text } from '../../../registry-adapters/json.ts'
import { type Attestor, checkEvidence, refused } from './attestor.ts'

/** What is asked of Consul, with the token that was brought. */
export interface ConsulLookUp {
  /** `/v1/acl/token/self`; undefined when Consul does not know the token. */
  self(token: string, signal: AbortSignal): Promise<unknown>
}

/** Of the policy `global-management` and of the anonymous token, in every Consul (its "ACL" pages). */
const managementPolicy = '00000000-0000-0000-0000-000000000001'
const anonymousToken = '00000000-0000-0000-0000-000000000002'
/** A token that was taken back is refused by Consul itself; the proof only has to outlive this server's memory of it. */
const proofLifeMs = 365 * 24 * 3_600_000

/**
 * ACL tokens of Consul, introspected by themselves: a token with exactly one node identity is of that node. What could
 * manage Consul, or anybody has, proves nothing.
 */
export function createConsulAttestor(lookUp: ConsulLookUp): Attestor {
  return {
    async attest(evidence, { now, signal }) {
      checkEvidence(evidence, signal)
      const token = evidence.payload.trim()
      // what is no UUID is none of Consul's, and must not become part of a header
      if (!/^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(token)) throw refused('evidence is no token of consul')
      const answer = await lookUp.self(token, signal)
      signal.throwIfAborted()
      if (answer === undefined) throw refused('consul does not know the token')
      const self = objectOf(answer)
      const accessor = text(self.AccessorID)
      if (text(self.SecretID) !== token || accessor === '')
        throw refused('consul answers for another token', { accessor })
      if (accessor === anonymousToken) throw refused('token is the anonymous one')
      if (objectsOf(self.Policies).some(({ ID }) => ID === managementPolicy)) throw refused('token can manage consul')
      const expires = text(self.ExpirationTime)
      if (expires !== '' && !(Date.parse(expires) > now)) throw refused('token has expired', { accessor })
      const [node, ...others] = objectsOf(self.NodeIdentities)
      if (node === undefined || others.length > 0) throw refused('token is not of exactly one node', { accessor })
      const name = text(node.NodeName)
      const datacenter = text(node.Datacenter)
      if (name === '' || datacenter === '') throw refused('token is not of exactly one node', { accessor })
      return {
        kind: 'consul',
        grade: 2,
        node: name,
        instance: accessor,
        claims: { datacenter, accessor, partition: text(self.Partition) },
        proof: { id: createHash('sha256').update(token).digest('hex'), expiresAt: now + proofLifeMs },
      }
    },
  }
}

function objectsOf(value: unknown): readonly JsonObject[] {
  return items(value).filter(isObject)
}
