import { parseResources } from '../../mesh/resources/parse.ts'
import type { Resource } from '../../mesh/resources/resource.ts'
import { type Attested, type Attestor, refused } from '../../server/identity/attest/attestor.ts'

/** Evidence that says itself what it proves, as JSON: what a join does with good evidence is the same for all kinds. */
export const plainAttestor: Attestor = {
  async attest({ payload }) {
    if (payload === '') throw refused('nothing was brought')
    const said: Attested = JSON.parse(payload)
    return said
  },
}

/** Evidence of an agent's job on a Nomad node. */
export function nomadEvidence(
  node: string,
  more: Partial<Attested> = {},
): { readonly kind: 'nomad'; readonly payload: string } {
  const attested: Attested = {
    kind: 'nomad',
    grade: 4,
    node,
    instance: `id-of-${node}`,
    claims: { namespace: 'infra', job: 'weft-agent', nodeId: `id-of-${node}` },
    ...more,
  }
  return { kind: 'nomad', payload: JSON.stringify(attested) }
}

/** The resource of a JoinPolicy for Nomad, with these fields of its spec in place. */
export function joinPolicy(name: string, spec: object = {}, namespace = 'weft-system'): Resource {
  const whole = {
    evidence: 'nomad',
    match: { namespace: ['infra'], job: ['weft-agent'] },
    nodes: ['vm-*'],
    identities: ['default/*'],
    ...spec,
  }
  const document = { apiVersion: 'weft.dev/v1', kind: 'JoinPolicy', metadata: { name, namespace }, spec: whole }
  const { resources, problems } = parseResources(JSON.stringify(document), 'policy.json')
  const [resource] = resources
  if (resource === undefined) throw new Error(problems.map(({ path, message }) => `${path}: ${message}`).join('; '))
  return resource
}
