import { z } from 'zod'
import { parseDurationMs } from '../std/duration.ts'
import { metadata } from './metadata.ts'
import { ofKubernetes } from './primitives.ts'
import { weftVersions } from './service-merge.ts'

/** Kinds of evidence that a policy can be about, each with the claims of which at least these must be chosen. */
export const evidenceRules = {
  nomad: { grade: 4, anyOf: [['namespace', 'job'], ['client'], ['clientPool']] },
  kubernetes: { grade: 4, anyOf: [['namespace', 'serviceAccount']] },
  consul: { grade: 2, anyOf: [['datacenter']] },
  x509: { grade: 3, anyOf: [['issuer']] },
  aws: { grade: 3, anyOf: [['account', 'region']] },
  gcp: { grade: 3, anyOf: [['project', 'zone']] },
  azure: { grade: 3, anyOf: [['subscription']] },
} as const satisfies Record<string, { readonly grade: number; readonly anyOf: readonly (readonly string[])[] }>

/** What each kind proves, by the names that `match` and `{claim}` in node names use. */
export const evidenceClaims: Readonly<Record<keyof typeof evidenceRules, readonly string[]>> = {
  nomad: [
    'namespace',
    'job',
    'group',
    'task',
    'allocation',
    'nodeId',
    'datacenter',
    'pool',
    'nodeClass',
    'client',
    'clientPool',
  ],
  kubernetes: ['namespace', 'serviceAccount', 'pod', 'podUid', 'nodeUid'],
  consul: ['datacenter', 'accessor', 'partition'],
  x509: ['issuer', 'fingerprint', 'name'],
  aws: ['account', 'region', 'zone', 'instance', 'image', 'instanceType'],
  gcp: ['project', 'projectNumber', 'zone', 'region', 'instance', 'name', 'serviceAccount'],
  azure: ['subscription', 'instance', 'sku'],
}

const kinds = Object.keys(evidenceRules) as (keyof typeof evidenceRules)[]

/** One `*` stands for any text at the end; no other place has one, so that nothing matches more than it seems to. */
const value = z
  .string()
  .min(1)
  .max(512)
  .regex(/^[^*]*\*?$/, 'may have a * at its end only')
  .refine(text => text !== '*', 'stands for everything, name what is meant')

const nodePattern = z
  .string()
  .max(253)
  .regex(
    /^(?:[A-Za-z0-9._-]|\{[A-Za-z0-9]+\})*\*?$/,
    'must be letters, digits, dots, dashes and underscores, with {claim} for what the evidence says and * at its end',
  )
  .min(1)

const identityPattern = z
  .string()
  .regex(
    /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\/(?:\*|[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?|[a-z0-9][a-z0-9._-]*\*)$/,
    'must be <namespace>/<service-account>, with a * at its end at most',
  )

const duration = z
  .string()
  .refine(text => (parseDurationMs(text) ?? 0) >= 60_000, 'must be a duration of at least 1m')
  .refine(text => (parseDurationMs(text) ?? 0) <= 30 * 24 * 3_600_000, 'must be at most 720h')

/**
 * Weft's own JoinPolicy: which evidence lets a host join, as which node, and which identities it may hold then; evaluated
 * in `server/identity/admission.ts`. Counts in the mesh's root namespace only: elsewhere it would let a namespace's
 * operators speak of hosts.
 */
export const joinPolicy = z.strictObject({
  apiVersion: z.enum(weftVersions),
  kind: z.literal('JoinPolicy'),
  metadata: metadata('other'),
  spec: z
    .strictObject({
      evidence: z.enum(kinds as [(typeof kinds)[number], ...(typeof kinds)[number][]]),
      /** Least grade of the evidence; 3 when left out. */
      minGrade: z.int().min(2).max(5).default(3),
      /** Claims of the evidence to the values that are let in: each must be there, and one of its values fit. */
      match: z.record(z.string(), z.array(value).min(1).max(1000)),
      /** Names that the host may have. Evidence that names its node itself must name it so too. */
      nodes: z.array(nodePattern).min(1).max(1000),
      /** What it may be, where a registry places a workload of that identity on it. */
      identities: z.array(identityPattern).max(1000).default([]),
      /** Registries that may place workloads, besides operators' files and resources, Nomad and Kubernetes. */
      placedBy: z
        .array(z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, 'must be the name of a registry'))
        .optional(),
      /** Longest life of the certificates that rest on it. */
      ttl: duration.optional(),
    })
    .superRefine(({ evidence, minGrade, match, nodes }, context) => {
      const say = (message: string, ...path: string[]) => context.addIssue({ code: 'custom', message, path })
      const { grade, anyOf } = evidenceRules[evidence]
      const claims = evidenceClaims[evidence]
      if (minGrade > grade) say(`evidence of kind ${evidence} has grade ${grade}: write minGrade: ${grade}`, 'minGrade')
      for (const claim of Object.keys(match)) {
        if (!claims.includes(claim)) say(`is no claim of ${evidence}: they are ${claims.join(', ')}`, 'match', claim)
      }
      if (!anyOf.some(names => names.every(name => Object.hasOwn(match, name)))) {
        const texts = anyOf.map(names => names.join(' and '))
        say(`must choose ${texts.join(', or ')}: what is not named is not let in`, 'match')
      }
      for (const claim of nodes.flatMap(node => [...node.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name))) {
        if (!claims.includes(claim))
          say(`{${claim}} is no claim of ${evidence}: they are ${claims.join(', ')}`, 'nodes')
      }
    }),
  status: ofKubernetes(),
})

export type JoinPolicy = z.infer<typeof joinPolicy>
