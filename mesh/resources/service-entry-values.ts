import { z } from 'zod'
import { canonicalAddress } from '../std/ip-address.ts'
import { dnsLabel, isDnsName, refuseUnimplemented } from './primitives.ts'
import { isFqdn, isWildcardDomain } from './traffic-names.ts'

/** The values of a ServiceEntry's fields, each judged alone. */

/** A name the service answers to; `*.` in front stands for every name below. */
export const host = z.string().superRefine((text, context) => {
  const say = (message: string) => context.addIssue({ code: 'custom', message })
  const below = text.startsWith('*.') ? text.slice(2) : text
  if (text === '*' || text === '*.') return say('stands for every name, name the service')
  if (isDnsName(below)) return
  if (isWildcardDomain(text) && text.startsWith('*')) {
    return refuseUnimplemented(context, 'wildcards inside of a label; write *. and what follows')
  }
  say('must be a DNS name whose last label is not a number')
})

/** An address, or a range of them, that callers use besides the virtual ones. */
export const address = z
  .string()
  .max(64)
  .superRefine((text, context) => {
    const [ip = '', prefix, ...rest] = text.split('/')
    const version = canonicalAddress(ip)
    if (version === undefined || rest.length > 0) {
      return context.addIssue({ code: 'custom', message: 'must be an IPv4 or IPv6 address, or a range of them' })
    }
    if (prefix === undefined) return
    const longest = version.includes(':') ? 128 : 32
    if (/^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= longest) return
    context.addIssue({ code: 'custom', message: `must be an address, /${prefix} is no prefix length of it` })
  })

/** Where an endpoint is: an address, or under DNS a name to resolve. */
export const serviceEndpointAddress = z
  .string()
  .max(256)
  .superRefine((text, context) => {
    if (canonicalAddress(text) !== undefined || isFqdn(text)) return
    if (/^unix:\/\/[/@]/.test(text)) refuseUnimplemented(context, 'endpoints that are unix sockets')
    else context.addIssue({ code: 'custom', message: 'must be an IPv4 or IPv6 address, or a DNS name' })
  })

const protocols = new Set([
  ...['tcp', 'tls', 'http', 'https', 'http2', 'grpc', 'grpc-web'],
  ...['http_proxy', 'mongo', 'redis', 'mysql'],
])

/** What a port speaks; in any case, as in Istio. Protocols that are not looked into are carried as bytes. */
export const portProtocol = z.string().superRefine((text, context) => {
  const protocol = text.toLowerCase()
  if (text === '' || protocols.has(protocol)) return
  if (protocol === 'udp') return refuseUnimplemented(context, 'UDP')
  context.addIssue({ code: 'custom', message: 'must be one of HTTP, HTTPS, HTTP2, GRPC, GRPC-WEB, TLS, TCP' })
})

/** How the service's endpoints are found. */
export const resolution = z.enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'])

/**
 * To whom the service is shown: namespaces, `.` for its own, `*` for all (which is also what leaving it out means), `~`
 * for none.
 */
export const exportTo = z.array(z.string()).superRefine((names, context) => {
  const repeated = names.find((name, index) => names.indexOf(name) < index)
  if (repeated !== undefined) context.addIssue({ code: 'custom', message: `names ${repeated} twice` })
  for (const [sign, meaning] of Object.entries({ '*': 'all', '~': 'none' })) {
    if (names.includes(sign) && names.length > 1) {
      context.addIssue({ code: 'custom', message: `names ${meaning} (${sign}) and others beside it` })
    }
  }
  for (const [index, name] of names.entries()) {
    if (['*', '~', '.'].includes(name) || dnsLabel.safeParse(name).success) continue
    context.addIssue({ code: 'custom', message: `${name} is neither a namespace nor one of * . ~`, path: [index] })
  }
})
