import { z } from 'zod'
import { tcpKeepalive } from './connection-pool.ts'
import { localityLbSetting } from './locality-setting.ts'
import { metadata } from './metadata.ts'
import { ofKubernetes } from './primitives.ts'
import { retries } from './retries.ts'
import { weftVersions } from './service-merge.ts'
import { duration, percentNumber } from './traffic-values.ts'

const trustDomain = z
  .string()
  .max(255)
  .regex(/^[a-z0-9._-]+$/, 'must be lower-case letters, digits, dots, dashes and underscores')

const endpoint = z.string().refine(isHttpUrl, 'must be a URL such as http://collector:4318')

/**
 * What holds for the whole mesh, which Istio keeps in MeshConfig and ProxyConfig outside its resources. One, in the root
 * namespace.
 */
export const meshSettings = z.strictObject({
  apiVersion: z.enum(weftVersions),
  kind: z.literal('MeshSettings'),
  metadata: metadata('other'),
  spec: z.strictObject({
    /** Calls of hosts that nobody knows; ALLOW_ANY when left out. */
    outboundTrafficPolicy: z.strictObject({ mode: z.enum(['REGISTRY_ONLY', 'ALLOW_ANY']).optional() }).optional(),
    /** For routes of HTTP that say nothing themselves. */
    defaultHttpRetryPolicy: retries.optional(),
    localityLbSetting: localityLbSetting.optional(),
    connectTimeout: duration().optional(),
    tcpKeepalive: tcpKeepalive.optional(),
    pathNormalization: z
      .strictObject({
        normalization: z.enum(['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']).optional(),
      })
      .optional(),
    /** Other names of the trust domain: in policies each stands for all. */
    trustDomainAliases: z.array(trustDomain).optional(),
    /** Of access logs of HTTP requests; the agents' own setting when left out. */
    accessLogEncoding: z.enum(['TEXT', 'JSON']).optional(),
    tracing: z
      .strictObject({
        /** OTLP over HTTP; nothing is exported without one. */
        otlpEndpoint: endpoint.optional(),
        /** Percent of requests whose callers have not decided; 1 when left out. */
        sampling: percentNumber.optional(),
      })
      .optional(),
  }),
  status: ofKubernetes(),
})

export type MeshSettings = z.infer<typeof meshSettings>

function isHttpUrl(text: string): boolean {
  const url = URL.parse(text)
  return url !== null && (url.protocol === 'http:' || url.protocol === 'https:') && url.username === ''
}
