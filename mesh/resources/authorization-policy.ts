import { z } from 'zod'
import { dryRunAnnotation, isDryRun } from './annotations.ts'
import { checkCondition, ipBlocks, paths, ports, serviceAccounts, texts, trustDomains } from './authorization-values.ts'
import { metadata } from './metadata.ts'
import { securityVersions } from './peer-authentication.ts'
import { checkPolicyScope, policyScope } from './policy-scope.ts'
import { ofKubernetes, refuseUnimplemented, unimplemented } from './primitives.ts'

/** True when some list of it has an entry. */
function saysSomething(fields: object): boolean {
  return Object.values(fields).some(list => Array.isArray(list) && list.length > 0)
}

/** Fields that name whom service accounts name already. */
const besideServiceAccounts = ['principals', 'notPrincipals', 'namespaces', 'notNamespaces'] as const

const source = z
  .strictObject({
    principals: texts.optional(),
    notPrincipals: texts.optional(),
    requestPrincipals: texts.optional(),
    notRequestPrincipals: texts.optional(),
    namespaces: texts.optional(),
    notNamespaces: texts.optional(),
    serviceAccounts: serviceAccounts.optional(),
    notServiceAccounts: serviceAccounts.optional(),
    trustDomains: trustDomains.optional(),
    notTrustDomains: trustDomains.optional(),
    ipBlocks: ipBlocks.optional(),
    notIpBlocks: ipBlocks.optional(),
    remoteIpBlocks: ipBlocks.optional(),
    notRemoteIpBlocks: ipBlocks.optional(),
  })
  .superRefine((fields, context) => {
    if (!saysSomething(fields)) {
      context.addIssue({ code: 'custom', message: 'says nothing; leave from out if every source is meant' })
    }
    const accounts = [...(fields.serviceAccounts ?? []), ...(fields.notServiceAccounts ?? [])]
    const beside = besideServiceAccounts.find(field => (fields[field]?.length ?? 0) > 0)
    if (accounts.length === 0 || beside === undefined) return
    const message = 'stands beside service accounts, which name identity and namespace already'
    context.addIssue({ code: 'custom', message, path: [beside], params: { at: 'key' } })
  })

const operation = z
  .strictObject({
    hosts: texts.optional(),
    notHosts: texts.optional(),
    ports: ports.optional(),
    notPorts: ports.optional(),
    methods: texts.optional(),
    notMethods: texts.optional(),
    paths: paths.optional(),
    notPaths: paths.optional(),
  })
  .refine(saysSomething, 'says nothing; leave to out if every operation is meant')

const condition = z
  .strictObject({
    key: z.string(),
    values: z.array(z.string()).optional(),
    notValues: z.array(z.string()).optional(),
  })
  .superRefine(checkCondition)

const rule = z.strictObject({
  from: z.array(z.strictObject({ source })).max(512).optional(),
  to: z.array(z.strictObject({ operation })).max(512).optional(),
  when: z.array(condition).optional(),
})

const action = z.enum(['ALLOW', 'DENY', 'AUDIT', 'CUSTOM']).transform((said, context) => {
  if (said !== 'CUSTOM') return said
  refuseUnimplemented(context, 'CUSTOM, authorization by an external service')
  return z.NEVER
})

const spec = z
  .strictObject({
    ...policyScope,
    action: action.optional(),
    provider: unimplemented('external authorization, action: CUSTOM'),
    rules: z.array(rule).max(512).optional(),
  })
  .superRefine((said, context) => {
    checkPolicyScope(said, context)
    if (said.action !== 'DENY' || (said.rules?.length ?? 0) > 0) return
    const message = 'is required with action: DENY, which without rules would deny nothing'
    context.addIssue({ code: 'custom', message, path: ['rules'], params: { at: 'key' } })
  })

/** Istio's AuthorizationPolicy: who may do what at workloads; evaluated in `mesh/policy/`. */
export const authorizationPolicy = z
  .strictObject({
    apiVersion: z.enum(securityVersions),
    kind: z.literal('AuthorizationPolicy'),
    metadata: metadata('policy'),
    spec: spec.default({}),
    status: ofKubernetes(),
  })
  .superRefine(({ metadata: { annotations = {} }, spec: { action: said } }, context) => {
    if (said !== 'AUDIT' || !isDryRun({ annotations })) return
    const message = 'means nothing with action: AUDIT, which has no effect in any case'
    context.addIssue({ code: 'custom', message, path: ['metadata', 'annotations', dryRunAnnotation] })
  })

export type AuthorizationPolicy = z.infer<typeof authorizationPolicy>
