const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
const objectLabel = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?$/

/** True for a namespace: one DNS label (RFC 1123), so that it can stand in names and identities. */
export function isNamespace(text: string): boolean {
  return label.test(text)
}

/** True for the name of a service or workload: lower-case labels joined by dots, underscores allowed. */
export function isObjectName(text: string): boolean {
  return text.length <= 253 && text.split('.').every(part => objectLabel.test(part))
}

/** True for a host name that DNS may answer for: as an object name, with a leading `*.` allowed. */
export function isHostName(text: string): boolean {
  return isObjectName(text.startsWith('*.') ? text.slice(2) : text)
}
