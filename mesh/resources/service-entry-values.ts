import { z } from 'zod'
import { canonicalAddress } from '../std/ip-address.ts'
import { dnsLabel, isDnsName, refuseUnimplemented } from './primitives.ts'

/** The values of a ServiceEntry's fields, each judged alone. */

/** A name the service answers to. Wildcards are known to Istio only. */
export const host = z.string().superRefine((text, context) => {
  const say = (message: string) => context.addIssue({ code: 'custom', message })
  if (text === '*') return say('stands for every name, name the service')
  if (text.startsWith('*') && isDnsName(text.replace(/^\*[.-]?/, ''))) {
    return refuseUnimplemented(context, 'wildcard hosts')
  }
  if (!isDnsName(text)) say('must be a DNS name whose last label is not a number')
})

/** An address callers use besides the virtual ones. Ranges are known to Istio only. */
export const address = z
  .string()
  .max(64)
  .superRefine((text, context) => {
    const [ip = '', prefix, ...rest] = text.split('/')
    const version = canonicalAddress(ip)
    if (version === undefined || rest.length > 0) {
      return context.addIssue({ code: 'custom', message: 'must be an IPv4 or IPv6 address' })
    }
    if (prefix === undefined) return
    const longest = version.includes(':') ? 128 : 32
    if (/^(?:0|[1-9]\d{0,2})$/.test(prefix) && Number(prefix) <= longest) {
      return refuseUnimplemented(context, 'ranges of addresses; list single addresses')
    }
    context.addIssue({ code: 'custom', message: `must be an address, /${prefix} is no prefix length of it` })
  })

const protocols = new Set(['tcp', 'tls', 'http', 'https', 'http2', 'grpc'])
const protocolsOfIstio = new Set(['udp', 'grpc-web', 'http_proxy', 'mongo', 'redis', 'mysql'])

/** What a port speaks; in any case, as in Istio. */
export const portProtocol = z.string().superRefine((text, context) => {
  const protocol = text.toLowerCase()
  if (text === '' || protocols.has(protocol)) return
  if (protocolsOfIstio.has(protocol)) return refuseUnimplemented(context, `the protocol ${text}; TCP carries its bytes`)
  context.addIssue({ code: 'custom', message: 'must be one of HTTP, HTTPS, HTTP2, GRPC, TLS, TCP' })
})

const notResolved: Readonly<Record<string, string>> = {
  DNS: 'resolving endpoints by DNS; list addresses with STATIC',
  DNS_ROUND_ROBIN: 'resolving endpoints by DNS; list addresses with STATIC',
  DYNAMIC_DNS: 'resolving hosts at each request',
}

/** How the service's endpoints are found. */
export const resolution = z
  .enum(['NONE', 'STATIC', 'DNS', 'DNS_ROUND_ROBIN', 'DYNAMIC_DNS'])
  .superRefine((value, context) => {
    const why = notResolved[value]
    if (why !== undefined) refuseUnimplemented(context, why)
  })

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
