import { z } from 'zod'
import { connectionPool, outlierDetection, retryBudget } from './connection-pool.ts'
import { loadBalancer } from './load-balancer.ts'
import { metadata } from './metadata.ts'
import { ofKubernetes, portNumber, refuseKey, selectorLabels } from './primitives.ts'
import { anyLabel, checkExportTo, destinationHost, isAddress, isFqdn } from './traffic-names.ts'
import { chosenLabels, uint32, wrapped } from './traffic-values.ts'
import { networkingVersions } from './workload-entry.ts'

/** A directory of files on the caller's host: one name, without anything that leads elsewhere. */
const credentialName = z.string().superRefine((text, context) => {
  const parts = /^(?:kubernetes:\/\/|configmap:\/\/[^/]+\/)?([A-Za-z0-9._-]*)$/.exec(text)
  const [, name = ''] = parts ?? []
  if (text === '' || (name !== '' && !/^\.+$/.test(name))) return
  const message = 'must be a name of letters, digits, dots, dashes and underscores, or configmap://<namespace>/<name>'
  context.addIssue({ code: 'custom', message })
})

/** How a client speaks TLS to the destination, after Istio's ClientTLSSettings. Files are on the host of the caller. */
const clientTls = z
  .strictObject({
    mode: z.enum(['DISABLE', 'SIMPLE', 'MUTUAL', 'ISTIO_MUTUAL']).optional(),
    clientCertificate: z.string().optional(),
    privateKey: z.string().optional(),
    caCertificates: z.string().optional(),
    subjectAltNames: z.array(z.string()).optional(),
    sni: z.string().optional(),
    insecureSkipVerify: wrapped(z.boolean()),
    credentialName: credentialName.optional(),
    /** A file too: with it, every certificate of a chain must be known not to have been taken back. */
    caCrl: z.string().optional(),
  })
  .superRefine((tls, context) => {
    const say = (message: string, field: string) => context.addIssue({ code: 'custom', message, path: [field] })
    if (tls.mode !== 'SIMPLE' && tls.mode !== 'MUTUAL') return
    if (tls.insecureSkipVerify === true) {
      const why = 'means nothing with insecureSkipVerify: true'
      if (tls.caCertificates) say(why, 'caCertificates')
      if ((tls.subjectAltNames?.length ?? 0) > 0) say(why, 'subjectAltNames')
      if (tls.mode === 'SIMPLE' && tls.credentialName) say(why, 'credentialName')
    }
    if (tls.credentialName) {
      const fields = ['clientCertificate', 'privateKey', 'caCertificates', 'caCrl'] as const
      for (const field of fields) if (tls[field]) say('stands beside credentialName, use one of them', field)
      return
    }
    if (tls.mode !== 'MUTUAL') return
    if (!tls.clientCertificate) say('is required with mode: MUTUAL', 'clientCertificate')
    if (!tls.privateKey) say('is required with mode: MUTUAL', 'privateKey')
  })

const parts = {
  loadBalancer: loadBalancer.optional(),
  connectionPool: connectionPool.optional(),
  outlierDetection: outlierDetection.optional(),
  tls: clientTls.optional(),
}

const nothingSaid = 'says nothing, name a policy or leave it out'

const portPolicy = z
  .strictObject({
    /** Not held to be a port at all, as in Istio. */
    port: z.strictObject({ number: uint32.optional() }),
    ...parts,
  })
  .refine(({ port: _port, ...said }) => hasPolicy(said), nothingSaid)

/** Through which host of a proxy connections go on, by HTTP. */
const tunnel = z.strictObject({
  protocol: z.enum(['', 'CONNECT', 'POST']).optional(),
  targetHost: z.string().refine(text => isAddress(text) || isFqdn(text), 'must be a DNS name in full or an address'),
  targetPort: portNumber,
})

const trafficPolicy = z
  .strictObject({
    ...parts,
    portLevelSettings: z.array(portPolicy).optional(),
    retryBudget: retryBudget.optional(),
    tunnel: tunnel.optional(),
    proxyProtocol: z.strictObject({ version: z.enum(['V1', 'V2']).optional() }).optional(),
  })
  .superRefine(({ tunnel: through, proxyProtocol }, context) => {
    if (through === undefined || proxyProtocol === undefined) return
    refuseKey(context, 'proxyProtocol', 'stands beside tunnel, use one of them')
  })
  .refine(({ portLevelSettings = [], ...said }) => portLevelSettings.length > 0 || hasPolicy(said), nothingSaid)

const subset = z.strictObject({
  name: anyLabel,
  /** Which endpoints belong to it; none are all. */
  labels: chosenLabels.optional(),
  trafficPolicy: trafficPolicy.optional(),
})

const destinationRuleSpec = z.strictObject({
  host: destinationHost,
  trafficPolicy: trafficPolicy.optional(),
  subsets: z
    .array(subset)
    .superRefine((subsets, context) => {
      const seen = new Set<string>()
      for (const [index, { name }] of subsets.entries()) {
        if (seen.has(name)) {
          const message = `${name} is the name of an earlier subset`
          context.addIssue({ code: 'custom', message, path: [index, 'name'] })
        }
        seen.add(name)
      }
    })
    .optional(),
  exportTo: z.array(z.string()).optional(),
  /** Callers that the rule is for; those of its own namespace. */
  workloadSelector: z.strictObject({ matchLabels: selectorLabels.optional() }).optional(),
})

/** Istio's DestinationRule: how a destination is called once a route has chosen it. */
export const destinationRule = z
  .strictObject({
    apiVersion: z.enum(networkingVersions),
    kind: z.literal('DestinationRule'),
    metadata: metadata('other'),
    spec: destinationRuleSpec,
    status: ofKubernetes(),
  })
  .superRefine(({ metadata, spec }, context) => {
    checkExportTo(spec.exportTo, metadata.namespace, context, spec.workloadSelector !== undefined)
    checkCredentials(spec, metadata.namespace, context)
  })

export type DestinationRule = z.infer<typeof destinationRule>

function hasPolicy(policy: object): boolean {
  return Object.keys(policy).length > 0
}

type Tls = { readonly tls?: z.infer<typeof clientTls> | undefined }

/** A ConfigMap is of the rule's own namespace. */
function checkCredentials(
  { trafficPolicy, subsets = [] }: z.infer<typeof destinationRuleSpec>,
  namespace: string,
  context: z.RefinementCtx,
): void {
  const own = `configmap://${namespace}/`
  const check = ({ tls }: Tls, path: (string | number)[]) => {
    const name = tls?.credentialName
    if (name?.startsWith('configmap:') !== true || name.startsWith(own)) return
    const message = `must be of the rule's own namespace, ${namespace}`
    context.addIssue({ code: 'custom', message, path: [...path, 'tls', 'credentialName'] })
  }
  const checkAll = (policy: typeof trafficPolicy, path: (string | number)[]) => {
    if (policy === undefined) return
    check(policy, path)
    for (const [index, port] of (policy.portLevelSettings ?? []).entries()) {
      check(port, [...path, 'portLevelSettings', index])
    }
  }
  checkAll(trafficPolicy, ['spec', 'trafficPolicy'])
  for (const [index, { trafficPolicy: policy }] of subsets.entries()) {
    checkAll(policy, ['spec', 'subsets', index, 'trafficPolicy'])
  }
}
