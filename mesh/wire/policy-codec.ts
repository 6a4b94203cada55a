import type { PolicyResource } from '../model/policy-resource.ts'
import type { Fields } from './fields.ts'
import { authorizationPolicy, requestAuthentication } from './policy-shape.ts'
import { policyKindNames, wordsByName } from './resource-enums.ts'
import { plainSpec, readSpec } from './spec-json.ts'

const kinds = wordsByName(policyKindNames)

/** A policy as protobuf's plain object. */
export function plainPolicy({ resource, namespace, name, createdAt, dryRun, spec }: PolicyResource): object {
  return { kind: policyKindNames[resource], namespace, name, createdAt, dryRun, spec: plainSpec(spec) }
}

/**
 * Reads and checks a policy. What is in it was judged by the server; here it only has to be what the types say, with
 * nothing that this version does not know: half of a policy is another policy. Throws WEFT_WIRE.
 */
export function readPolicy(fields: Fields): PolicyResource {
  const resource = fields.choice('kind', kinds)
  const common = {
    kind: 'policy' as const,
    namespace: fields.name('namespace'),
    name: fields.name('name'),
    createdAt: fields.integer('createdAt'),
    dryRun: fields.flag('dryRun'),
  }
  switch (resource) {
    case 'AuthorizationPolicy':
      return { ...common, resource, spec: readSpec(fields, authorizationPolicy) }
    case 'RequestAuthentication':
      return { ...common, resource, spec: readSpec(fields, requestAuthentication) }
  }
}
