import { z } from 'zod'
import { metadata } from './metadata.ts'
import { isDnsName, ofKubernetes, refuseKey } from './primitives.ts'

/** API version of the kinds that are Weft's own. */
export const weftVersions = ['weft.dev/v1'] as const

/** The largest weight of a registry: weights are relative, so that larger ones say nothing more. */
export const maxMergeWeight = 1_000_000

const registryName = z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be the name of a registry')

// `payments`, `pay-*`, `*`, and with a namespace `shop/pay-*`; any namespace is a star before the slash
const servicePattern = z
  .string()
  .regex(
    /^(?:(?:\*|[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?)\/)?[a-z0-9*](?:[-a-z0-9*]{0,61}[a-z0-9*])?$/,
    'must be the name of a service, in which * stands for any text, as payments or pay-*',
  )

/** A host name, or `*.` and a domain for all names below it. */
const hostPattern = z
  .string()
  .refine(text => text === text.toLowerCase() && isDnsName(text.replace(/^\*\./, '')) && !text.endsWith('.'), {
    error: 'must be a host name in lower case, or *.<domain> for all below it',
  })

/**
 * Weft's own ServiceMerge: what holds when several registries speak of the same service. In the mesh's root namespace
 * it may name services of any namespace, elsewhere those of its own; evaluated in `server/catalogue/merge-rules.ts`.
 */
export const serviceMerge = z.strictObject({
  apiVersion: z.enum(weftVersions),
  kind: z.literal('ServiceMerge'),
  metadata: metadata('other'),
  spec: z
    .strictObject({
      services: z.array(servicePattern).min(1).optional(),
      /** Services by the host names that registries give them. */
      hosts: z.array(hostPattern).min(1).optional(),
      rule: z.enum(['union', 'prefer', 'error']),
      /** The registry whose word counts; with `rule: prefer`. */
      prefer: registryName.optional(),
      /** Registry to its share of the traffic, relative to the others; one that is not named gets none. */
      weights: z.record(registryName, z.int().min(0).max(maxMergeWeight)).optional(),
    })
    .superRefine((spec, context) => {
      const { rule, prefer, weights } = spec
      const say = (message: string, field: string) => context.addIssue({ code: 'custom', message, path: [field] })
      if (spec.services === undefined && spec.hosts === undefined) {
        context.addIssue({ code: 'custom', message: 'needs services or hosts that it is for', params: { at: 'key' } })
      }
      if (rule === 'prefer' && prefer === undefined) say('prefer needs the field prefer with a registry', 'rule')
      if (rule !== 'prefer' && prefer !== undefined) refuseKey(context, 'prefer', `means nothing with rule: ${rule}`)
      if (weights === undefined) return
      if (rule !== 'union') refuseKey(context, 'weights', `means nothing with rule: ${rule}`)
      if (Object.values(weights).every(weight => weight === 0)) {
        say('are all 0 or none, at least one registry must get traffic', 'weights')
      }
    }),
  status: ofKubernetes(),
})

export type ServiceMerge = z.infer<typeof serviceMerge>
