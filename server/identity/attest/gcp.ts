import { objectOf, text } from '../../../registry-adapters/json.ts'
import { type Attestor, checkEvidence, forEver, refused } from './attestor.ts'
import { type TokenRules, textClaim, verifyJwt } from './jwt.ts'

/**
 * Identity tokens of instances of Google Compute Engine, in the `full` format (its page "Verifying VM identity"): signed
 * by Google, for the audience of the mesh. Whatever runs on an instance can ask for one, so that the first key of an
 * instance is its only one.
 */
export function createGcpAttestor(rules: TokenRules): Attestor {
  return {
    async attest(evidence, { now, signal }) {
      checkEvidence(evidence, signal)
      const { claims } = await verifyJwt(evidence.payload, rules, now)
      signal.throwIfAborted()
      const engine = objectOf(objectOf(claims.google).compute_engine)
      const project = text(engine.project_id)
      const instance = text(engine.instance_id)
      const zone = text(engine.zone)
      if (project === '' || instance === '' || zone === '')
        throw refused('token does not say its instance: ask for format=full')
      return {
        kind: 'gcp',
        grade: 3,
        instance: `${project}/${instance}`,
        claims: {
          project,
          projectNumber: String(engine.project_number ?? ''),
          zone,
          region: zone.replace(/-[a-z]$/, ''),
          instance,
          name: text(engine.instance_name),
          serviceAccount: typeof claims.email === 'string' ? claims.email : textClaim(claims, 'sub'),
        },
        proof: { id: `${project}/${instance}`, expiresAt: forEver },
      }
    },
  }
}
