/**
 * Compares two resource versions of one resource: negative when the first is the older one. Versions of the API
 * server's own resources are whole numbers that grow ("Resource versions" in Kubernetes' API concepts); of any other
 * spelling nothing is known, and they count as equal.
 */
export function compareVersions(a: string, b: string): number {
  if (!isNumber.test(a) || !isNumber.test(b)) return 0
  return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0)
}

const isNumber = /^[1-9]\d*$/
