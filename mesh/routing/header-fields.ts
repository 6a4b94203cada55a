/**
 * Reading and changing flat header lists: name, value, name, value. Names are asked for in lower case and compared
 * without case; no comparison allocates.
 */

/** The value of the first field of the name, or of a pseudo-header. */
export function fieldOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if (isField(headers[at], name)) return headers[at + 1]
  }
  return undefined
}

/** Gives the name this one value: in the place of the first field of the name, the others go, else at the end. */
export function setField(headers: string[], name: string, value: string): void {
  for (let at = 0; at < headers.length; at += 2) {
    if (!isField(headers[at], name)) continue
    headers[at] = name
    headers[at + 1] = value
    removeFieldFrom(headers, name, at + 2)
    return
  }
  headers.push(name, value)
}

/** Removes every field of the name, in place. */
export function removeField(headers: string[], name: string): void {
  removeFieldFrom(headers, name, 0)
}

function removeFieldFrom(headers: string[], name: string, from: number): void {
  let to = from
  for (let at = from; at < headers.length; at += 2) {
    const field = headers[at]
    if (isField(field, name)) continue
    if (to !== at) {
      headers[to] = field ?? ''
      headers[to + 1] = headers[at + 1] ?? ''
    }
    to += 2
  }
  if (to < headers.length) headers.length = to
}

/** Whether a field's name is the lower-case `name`, in whatever case. */
export function isField(field: string | undefined, name: string): boolean {
  if (field === undefined || field.length !== name.length) return false
  return field === name || startsWithFolded(field, name)
}

/** Whether the text begins with the lower-case `prefix`; case of ASCII letters is ignored. */
export function startsWithFolded(text: string, prefix: string): boolean {
  if (text.length < prefix.length) return false
  for (let at = 0; at < prefix.length; at += 1) {
    const unit = text.charCodeAt(at)
    const wanted = prefix.charCodeAt(at)
    if (unit !== wanted && (unit + 0x20 !== wanted || unit < 0x41 || unit > 0x5a)) return false
  }
  return true
}
