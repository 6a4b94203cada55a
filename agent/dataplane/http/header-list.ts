import type { HeaderList } from './stream.ts'

/**
 * Reading and changing flat header lists. Names are given in lower case and compared without case; nothing is
 * allocated for a comparison.
 */

/** The value of the first field of the name, or of a pseudo-header. */
export function headerOf(headers: HeaderList, name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if (isName(headers[at], name)) return headers[at + 1]
  }
  return undefined
}

/** Removes every field of the name, in place. */
export function removeHeader(headers: string[], name: string): void {
  let to = -1
  for (let at = 0; at < headers.length; at += 2) {
    if (isName(headers[at], name)) {
      if (to < 0) to = at
    } else if (to >= 0) {
      headers[to] = headers[at] ?? ''
      headers[to + 1] = headers[at + 1] ?? ''
      to += 2
    }
  }
  if (to >= 0) headers.length = to
}

/** Gives the name this one value, in place of what was there. */
export function setHeader(headers: string[], name: string, value: string): void {
  for (let at = 0; at < headers.length; at += 2) {
    if (!isName(headers[at], name)) continue
    if (headerOf(headers.slice(at + 2), name) === undefined) {
      headers[at + 1] = value
      return
    }
    removeHeader(headers, name)
    break
  }
  headers.push(name, value)
}

/** Whether a field name is the lower-case `name`, in any case. */
export function isName(field: string | undefined, name: string): boolean {
  if (field === name) return true
  if (field === undefined || field.length !== name.length) return false
  for (let at = 0; at < name.length; at += 1) {
    const unit = field.charCodeAt(at)
    const wanted = name.charCodeAt(at)
    if (unit !== wanted && (unit + 0x20 !== wanted || unit < 0x41 || unit > 0x5a)) return false
  }
  return true
}
