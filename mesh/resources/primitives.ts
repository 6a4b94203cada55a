import { z } from 'zod'
import { networkLabel } from '../model/locality.ts'
import { canonicalAddress } from '../std/ip-address.ts'

/** What the resource kinds are made of: names, ports, labels and addresses, after Istio's and Kubernetes' rules. */

const label = '[a-zA-Z0-9](?:[-a-zA-Z0-9]{0,61}[a-zA-Z0-9])?'
const dnsNamePattern = new RegExp(`^${label}(?:\\.${label})*\\.?$`)
const labelKeyPattern = new RegExp(`^(?:(${label}(?:\\.${label})*)/)?((?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])$`)
const labelValuePattern = /^(?:(?:[A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$/
/** Labels of Istio that mean the same here, or that its control plane only reads for telemetry. */
const plainIstioLabels = new Set([
  networkLabel,
  'service.istio.io/canonical-name',
  'service.istio.io/canonical-revision',
])
/** Most labels or annotations of one object (Istio's schemas). */
const maxLabels = 256

/** A field that Istio has and Weft does not do yet: refused by name whenever it is written. */
export function unimplemented(why: string) {
  return z
    .unknown()
    .superRefine((_value, context) => refuseUnimplemented(context, why))
    .meta({ not: {}, description: `not implemented: ${why}` })
    .optional()
}

/** A field that only the Kubernetes API server writes: it is in exported documents and means nothing here. */
export function ofKubernetes() {
  const message = 'is written by kubernetes only, remove it'
  return z
    .unknown()
    .superRefine((_value, context) => {
      context.addIssue({ code: 'custom', message, params: { reason: 'unimplemented', at: 'key' } })
    })
    .meta({ not: {}, description: message })
    .optional()
}

/** Adds an issue that says that something is fine for Istio but not done by Weft. */
export function refuseUnimplemented(context: z.RefinementCtx, why: string, path: (string | number)[] = []): void {
  context.addIssue({ code: 'custom', message: `is not implemented: ${why}`, path, params: { reason: 'unimplemented' } })
}

/** Adds an issue at a key rather than at its value. */
export function refuseKey(context: z.RefinementCtx, key: string, message: string, params: object = {}): void {
  context.addIssue({ code: 'custom', message, path: [key], params: { at: 'key', ...params } })
}

/** A DNS label in lower case (RFC 1123): namespaces, service names. */
export const dnsLabel = z
  .string()
  .regex(/^[a-z0-9](?:[-a-z0-9]{0,61}[a-z0-9])?$/, 'must be 1 to 63 lower-case letters, digits and dashes')

/** A DNS subdomain in lower case (RFC 1123): names of resources. */
export const dnsSubdomain = z
  .string()
  .max(253)
  .regex(
    /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*$/,
    'must be lower-case letters, digits, dashes and dots, beginning and ending in a letter or digit',
  )

/** The last part of a workload's identity; as strict as `mesh/identity/spiffe-id.ts`. */
export const serviceAccount = z
  .string()
  .max(253)
  .regex(
    /^(?!.*\.\.)[a-z0-9](?:[a-z0-9._-]*[a-z0-9])?$/,
    'must be lower-case letters, digits, dots, dashes and underscores, beginning and ending in a letter or digit',
  )

/** The name of a host as its agent calls itself. */
export const nodeName = z
  .string()
  .max(253)
  .regex(/^(?!\.{1,2}$)[A-Za-z0-9._-]+$/, 'must be letters, digits, dots, dashes and underscores')

export const portNumber = z.int().min(1).max(65535)

export const portName = z.string().regex(new RegExp(`^${label}$`), 'must be 1 to 63 letters, digits and dashes')

/** Any text of one line. */
export const lineOfText = z
  .string()
  .max(2048)
  .regex(/^[^\p{Cc}\p{Cs}\u2028\u2029\ufffd]*$/u, 'must be one line of text')

/** Locality as `region/zone/subzone`. */
export const locality = z
  .string()
  .max(2048)
  .superRefine((text, context) => {
    if (text.split('/').length > 3) refuseUnimplemented(context, 'localities have region, zone and subzone at most')
  })

/** An address of an endpoint: IPv4 or IPv6. Names and unix sockets are known to Istio only. */
export const endpointAddress = z
  .string()
  .max(256)
  .superRefine((text, context) => {
    if (canonicalAddress(text) !== undefined) return
    if (/^unix:\/\/[/@]/.test(text)) refuseUnimplemented(context, 'endpoints that are unix sockets')
    else if (isDnsName(text)) refuseUnimplemented(context, 'endpoints by name; give an address')
    else context.addIssue({ code: 'custom', message: 'must be an IPv4 or IPv6 address' })
  })

/** True for a DNS name whose last label is not a number (Istio's rule for hosts). */
export function isDnsName(text: string): boolean {
  return text.length <= 255 && dnsNamePattern.test(text) && !/^\d+$/.test(text.split('.').at(-1) ?? '')
}

/** Labels of a workload or resource. */
export const labels = z.record(z.string(), z.string()).superRefine((record, context) => {
  checkSize(context, record)
  for (const [key, value] of Object.entries(record)) {
    const match = labelKeyPattern.exec(key)
    if (match === null || (match[1]?.length ?? 0) > 253 || (match[2]?.length ?? 0) > 63) {
      refuseKey(context, key, 'is not a label name')
    } else if ((isIstioKey(key) && !plainIstioLabels.has(key)) || key === 'istio-locality') {
      refuseKey(context, key, 'is not implemented: labels that steer istio', { reason: 'unimplemented' })
    } else if (!labelValuePattern.test(value)) {
      context.addIssue({ code: 'custom', message: 'is not a label value', path: [key] })
    }
  }
})

/** Labels to select by: compared as they are, so only what could be meant as a pattern is refused. */
export const selectorLabels = z.record(z.string(), z.string().max(63)).superRefine((record, context) => {
  for (const [key, value] of Object.entries(record)) {
    if (key === '') refuseKey(context, key, 'is empty, a label to select by needs a name')
    if (key.includes('*')) refuseKey(context, key, 'has a *, selectors compare names as they are')
    if (value.includes('*')) {
      context.addIssue({ code: 'custom', message: 'has a *, selectors compare values as they are', path: [key] })
    }
  }
})

/** True for annotation and label names under istio.io. */
export function isIstioKey(key: string): boolean {
  const [domain = ''] = key.split('/')
  return key.includes('/') && (domain === 'istio.io' || domain.endsWith('.istio.io'))
}

/** Refuses a map with more entries than Istio's schemas allow for labels and annotations. */
export function checkSize(context: z.RefinementCtx, record: object): void {
  if (Object.keys(record).length > maxLabels) {
    context.addIssue({ code: 'custom', message: `has more than ${maxLabels} entries` })
  }
}
