import { z } from 'zod'
import { selectorLabels } from './primitives.ts'

/** For which workloads a policy is, after Istio's validation.go and CRDs. */

/** Kinds a policy may name, and the groups under which they are. */
const targetGroups: Readonly<Record<string, readonly string[]>> = {
  Service: ['', 'core'],
  ServiceEntry: ['networking.istio.io'],
  Gateway: ['gateway.networking.k8s.io'],
  GatewayClass: ['gateway.networking.k8s.io'],
}

const dnsName = /^$|^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/

const targetRef = z
  .strictObject({
    group: z.string().max(253).regex(dnsName, 'must be a DNS name in lower case').optional(),
    kind: z.string(),
    name: z.string().min(1).max(253),
    /** Targets are of the policy's own namespace. */
    namespace: z
      .string()
      .refine(text => text === '', 'must be left out: a policy is for services of its own namespace')
      .optional(),
  })
  .superRefine(({ group = '', kind }, context) => {
    const groups = Object.hasOwn(targetGroups, kind) ? targetGroups[kind] : undefined
    if (groups === undefined) {
      const message = `must be one of ${Object.keys(targetGroups).join(', ')}`
      context.addIssue({ code: 'custom', message, path: ['kind'] })
    } else if (!groups.includes(group)) {
      const message = groups[0] === '' ? `must be left out for a ${kind}` : `must be ${groups[0]} for a ${kind}`
      context.addIssue({ code: 'custom', message, path: ['group'] })
    }
  })

/** Fields of a spec that say for which workloads it is; none: for all of its namespace. */
export const policyScope = {
  selector: z.strictObject({ matchLabels: selectorLabels.optional() }).optional(),
  targetRef: targetRef.optional(),
  targetRefs: z.array(targetRef).max(16).optional(),
}

/** Refuses a policy that says in two ways for which workloads it is. */
export function checkPolicyScope(spec: object, context: z.RefinementCtx): void {
  const [first, second] = Object.keys(policyScope).filter(field => Object.hasOwn(spec, field))
  if (second === undefined) return
  const message = `stands beside ${first}, only one of them may say which workloads it is for`
  context.addIssue({ code: 'custom', message, path: [second], params: { at: 'key' } })
}
