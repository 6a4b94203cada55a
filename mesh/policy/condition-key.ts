const attributes: ReadonlySet<string> = new Set([
  'source.ip',
  'remote.ip',
  'source.namespace',
  'source.principal',
  'source.serviceAccount',
  'source.trustDomain',
  'request.auth.principal',
  'request.auth.audiences',
  'request.auth.presenter',
  'destination.ip',
  'destination.port',
  'connection.sni',
])

/** True for what a condition of an AuthorizationPolicy may compare (Istio's list of conditions). */
export function isConditionKey(key: string): boolean {
  return attributes.has(key) || /^request\.(?:headers|auth\.claims)\[.+\]$/.test(key)
}
