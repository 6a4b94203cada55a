import type { MeshSettingsSpec } from '../model/traffic.ts'

/** Istio's names (MeshConfig, ProxyPathNormalization); `DEFAULT` is `BASE`. */
export type PathNormalization = NonNullable<NonNullable<MeshSettingsSpec['pathNormalization']>['normalization']>

const percent = 0x25
const dot = 0x2e
const slash = 0x2f
const backslash = 0x5c
const question = 0x3f
const hash = 0x23

/**
 * The path, with its query, in the one form that is routed, authorised and forwarded: a fragment is cut; `BASE` decodes
 * unreserved characters, takes `\` for `/` and removes dot segments, never above the root; `MERGE_SLASHES` makes one
 * slash of several; `DECODE_AND_MERGE_SLASHES` decodes `%2F` and `%5C` before. Doing it twice changes nothing more.
 * Undefined (400) for what is no path: controls, blanks, octets above ASCII, `%00` (unless `NONE`), no slash in front.
 * The query is left as it is; `*` stands for itself.
 */
export function normalizePath(path: string, mode: PathNormalization): string | undefined {
  if (path.charCodeAt(0) !== slash) return path === '*' ? path : undefined
  const merge = mode === 'MERGE_SLASHES' || mode === 'DECODE_AND_MERGE_SLASHES'
  const plain = mode === 'NONE'
  let dirty = false
  let end = path.length
  let query = -1
  let before = 0
  for (let at = 0; at < path.length; at += 1) {
    const unit = path.charCodeAt(at)
    if (unit <= 0x20 || unit >= 0x7f) return undefined
    if (unit === hash) {
      end = at
      break
    }
    if (query >= 0) continue
    if (unit === question) query = at
    else if (unit === percent || unit === backslash) dirty = true
    else if (before === slash && (unit === dot || (merge && unit === slash))) dirty = true
    before = unit
  }
  const kept = end === path.length ? path : path.slice(0, end)
  if (!dirty || plain) return kept
  const pathEnd = query < 0 ? kept.length : query
  const normal = normalSegments(kept.slice(0, pathEnd), mode, merge)
  return normal === undefined ? undefined : normal + kept.slice(pathEnd)
}

function normalSegments(path: string, mode: PathNormalization, merge: boolean): string | undefined {
  const decoded = decode(path, mode === 'DECODE_AND_MERGE_SLASHES')
  if (decoded === undefined) return undefined
  const segments: string[] = []
  const all = decoded.split('/')
  for (let at = 1; at < all.length; at += 1) {
    const segment = all[at] ?? ''
    const last = at === all.length - 1
    if (segment === '.' || segment === '..') {
      if (segment === '..') segments.pop()
      if (last) segments.push('')
    } else segments.push(segment)
  }
  const kept = merge ? segments.filter((segment, at) => segment !== '' || at === segments.length - 1) : segments
  return `/${kept.join('/')}`
}

/** Undefined for `%00`. What has been decoded is only ever added to: looking back into it would copy it each time. */
function decode(path: string, slashes: boolean): string | undefined {
  let result = ''
  let copied = 0
  // The last two units of the result.
  let last = 0
  let lastButOne = 0
  for (let at = 0; at < path.length; at += 1) {
    const unit = path.charCodeAt(at)
    if (unit === backslash) {
      result += `${path.slice(copied, at)}/`
      copied = at + 1
      last = slash
    } else if (unit === percent) {
      const code = hexValue(path, at + 1)
      if (code === 0) return undefined
      if (code < 0 || !isDecoded(code, slashes)) continue
      const before = copied < at ? path.charCodeAt(at - 1) : last
      const twoBefore = copied < at - 1 ? path.charCodeAt(at - 2) : copied < at ? last : lastButOne
      // what is decoded must not become a part of another escape
      if (isHex(code) && (before === percent || (twoBefore === percent && isHex(before)))) continue
      lastButOne = before
      last = code === backslash ? slash : code
      result += path.slice(copied, at) + String.fromCharCode(last)
      copied = at + 3
      at += 2
    }
  }
  return copied === 0 ? path : result + path.slice(copied)
}

/** Two hexadecimal digits; -1 without them. */
function hexValue(path: string, at: number): number {
  const digits = path.slice(at, at + 2)
  return /^[0-9A-Fa-f]{2}$/.test(digits) ? Number.parseInt(digits, 16) : -1
}

/** Unreserved characters (RFC 3986 section 2.3), and separators where they are asked for. */
function isDecoded(code: number, slashes: boolean): boolean {
  if (slashes && (code === slash || code === backslash)) return true
  return (
    isHex(code) ||
    (code > 0x60 && code < 0x7b) ||
    (code > 0x40 && code < 0x5b) ||
    /[-._~]/.test(String.fromCharCode(code))
  )
}

function isHex(code: number): boolean {
  return (code > 0x2f && code < 0x3a) || (code > 0x40 && code < 0x47) || (code > 0x60 && code < 0x67)
}
