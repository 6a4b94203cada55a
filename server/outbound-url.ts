import { isIP } from 'node:net'
import { MeshError } from '../mesh/std/errors.ts'
import { canonicalAddress } from '../mesh/std/ip-address.ts'
import { createRanges } from '../mesh/std/ip-ranges.ts'

/** An address that a name has, and that may be connected to. */
export interface PinnedAddress {
  readonly address: string
  readonly family: 4 | 6
}

/** Where a URL leads: nothing but these addresses may be connected to for it. */
export interface Destination {
  readonly url: URL
  /** At least one. */
  readonly addresses: readonly [PinnedAddress, ...PinnedAddress[]]
}

/** Decides which URLs this server fetches for whoever may write a resource. */
export interface OutboundUrls {
  /**
   * Resolves a URL once. Throws WEFT_URL_REFUSED when it must not be fetched, and WEFT_URL_UNAVAILABLE when its name has no
   * address. Whoever connects must use the addresses as they are: a second look-up may say something else.
   */
  resolve(text: string, signal: AbortSignal): Promise<Destination>
}

export interface OutboundUrlsOptions {
  /** Addresses, ranges and host names that may be fetched from wherever they are. */
  readonly allow: readonly string[]
  /** Every address of a name, as the system resolves it. */
  lookup(host: string, signal: AbortSignal): Promise<readonly string[]>
  /** True for a port of this server at one of this host's addresses. */
  isOwn(address: string, port: number): boolean
}

/**
 * The guard for URLs that come from resources: `http` and `https` only, no user in them, hosts written plainly, no port of
 * this server, and no address of loopback, of this host's link, of a cloud's metadata service, or that hides one of those in
 * another form, unless the operator of the server has allowed it. One such address among several refuses the name.
 */
export function createOutboundUrls({ allow, lookup, isOwn }: OutboundUrlsOptions): OutboundUrls {
  const allowed = parseAllowed(allow)

  function check(url: URL, address: string): PinnedAddress {
    const known = canonicalAddress(address)
    if (known !== undefined && (allowed.hosts.has(hostOf(url)) || allowed.ranges.has(known))) return pinned(known)
    if (known === undefined) throw refused(url, 'an address that hides another one', address)
    const port = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port)
    if (isOwn(known, port)) throw refused(url, 'a port of this server', address)
    for (const [what, ranges] of forbidden) if (ranges.has(known)) throw refused(url, what, address)
    return pinned(known)
  }

  return {
    async resolve(text, signal) {
      const url = parseUrl(text)
      const host = hostOf(url)
      const found = isIP(host) === 0 ? await lookup(host, signal) : [host]
      const [first, ...others] = found.map(address => check(url, address))
      if (first === undefined)
        throw new MeshError('WEFT_URL_UNAVAILABLE', 'the name has no address', { fields: { host } })
      return { url, addresses: [first, ...others] }
    },
  }
}

/** What `outboundUrls.allow` may hold: an address, a range in CIDR form, or a host name. Throws a TypeError. */
export function parseAllowed(allow: readonly string[]) {
  const isRange = (text: string) => text.includes('/')
  for (const text of allow) {
    if (isRange(text) ? isPossibleRange(text) : isIP(text) !== 0 || hostName.test(text)) continue
    throw new TypeError(`${JSON.stringify(text)} is no address, range or host name`)
  }
  const single = allow.filter(text => isIP(text) !== 0).map(text => `${text}/${isIP(text) === 6 ? 128 : 32}`)
  const names = allow.filter(text => !isRange(text) && isIP(text) === 0)
  return {
    ranges: createRanges([...allow.filter(isRange), ...single]),
    hosts: new Set(names.map(name => name.toLowerCase().replace(/\.$/, ''))),
  }
}

function isPossibleRange(text: string): boolean {
  const [network = '', bits = '', more] = text.split('/')
  const most = { 0: -1, 4: 32, 6: 128 }[isIP(network)] ?? -1
  return more === undefined && /^\d{1,3}$/.test(bits) && Number(bits) <= most
}

const hostName = /^(?=.{1,254}$)[a-z0-9_]([a-z0-9_-]{0,62})(\.[a-z0-9_]([a-z0-9_-]{0,62}))*\.?$/i

const forbidden = [
  ['a cloud metadata address', createRanges([...metadataRanges()])],
  ['a loopback address', createRanges(['127.0.0.0/8', '::1/128'])],
  ['an unspecified address', createRanges(['0.0.0.0/8', '::/128'])],
  ['a link-local address', createRanges(['169.254.0.0/16', 'fe80::/10', 'fec0::/10'])],
  ['a multicast address', createRanges(['224.0.0.0/4', 'ff00::/8'])],
  ['a reserved address', createRanges(['240.0.0.0/4', '192.0.0.0/24', '100::/64'])],
  [
    'an address that hides another one',
    createRanges(['::/96', '::ffff:0:0:0/96', '64:ff9b::/96', '64:ff9b:1::/48', '2002::/16', '2001::/32']),
  ],
] as const

/** Of AWS, GCP and others, of Azure's host, of Alibaba and Oracle; those on the link are forbidden with it. */
function metadataRanges(): readonly string[] {
  return [
    '169.254.169.254/32',
    'fd00:ec2::/32',
    'fd20:ce::254/128',
    '168.63.129.16/32',
    '100.100.100.200/32',
    '192.0.0.192/32',
  ]
}

function parseUrl(text: string): URL {
  const url = URL.parse(text)
  if (url === null) throw new MeshError('WEFT_URL_REFUSED', 'not a URL', { fields: { url: text.slice(0, 200) } })
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw refused(url, 'a scheme other than http and https')
  if (url.username !== '' || url.password !== '') throw refused(url, 'a user')
  // parsers read 0x7f.1, 2130706433 and 0177.0.0.1 as addresses too, and do not agree about them
  const host = hostOf(url)
  if (isIP(host) === 4 && host !== writtenHost(text)) throw refused(url, 'an address that is not written plainly')
  return url
}

function hostOf({ hostname }: URL): string {
  return hostname.startsWith('[') ? hostname.slice(1, -1) : hostname.replace(/\.$/, '')
}

function writtenHost(text: string): string | undefined {
  return /^\s*https?:\/\/([^/?#:\\]*)/i.exec(text)?.[1]
}

function pinned(address: string): PinnedAddress {
  return { address, family: isIP(address) === 6 ? 6 : 4 }
}

function refused(url: URL, what: string, address?: string): MeshError {
  const host = hostOf(url)
  return new MeshError('WEFT_URL_REFUSED', `the URL leads to ${what}`, {
    fields: { url: `${url.protocol}//${url.host}`, ...(address === undefined || address === host ? {} : { address }) },
  })
}
