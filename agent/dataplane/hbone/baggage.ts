import { type PeerLabels, unknownPeer } from '../telemetry/peer-labels.ts'

/**
 * The W3C `baggage` header by which ambient agents tell each other, for telemetry only, which workload is calling
 * (ztunnel's keys). Identity never comes from here; it comes from the certificate.
 */
export function baggageOf(peer: PeerLabels): string {
  const known = baggageTexts.get(peer)
  if (known !== undefined) return known
  const text =
    `k8s.namespace.name=${encodeURIComponent(peer.namespace)},k8s.deployment.name=${encodeURIComponent(peer.workload)}` +
    `,service.name=${encodeURIComponent(peer.canonicalService)}` +
    `,service.version=${encodeURIComponent(peer.canonicalRevision)}`
  baggageTexts.set(peer, text)
  return text
}

const baggageTexts = new WeakMap<PeerLabels, string>()
const maxBaggage = 2048

/**
 * The caller's labels as its baggage tells them; malformed parts are left out, as the header is only for telemetry.
 * The namespace and the principal are the certificate's, whatever the header says.
 */
export function peerOfBaggage(baggage: string | undefined, principal: string, namespace: string): PeerLabels {
  const peer = { ...unknownPeer, principal, namespace }
  if (baggage === undefined || baggage.length > maxBaggage) return peer
  for (const entry of baggage.split(',')) {
    const at = entry.indexOf('=')
    if (at < 0) continue
    const value = decoded(entry.slice(at + 1))
    if (value === undefined) continue
    switch (entry.slice(0, at).trim()) {
      case 'k8s.deployment.name':
        peer.workload = value
        break
      case 'service.name':
        peer.canonicalService = value
        peer.app = value
        break
      case 'service.version':
        peer.canonicalRevision = value
        peer.version = value
        break
      default:
    }
  }
  return peer
}

function decoded(text: string): string | undefined {
  try {
    const value = decodeURIComponent(text.trim())
    return value === '' || value.length > 256 ? undefined : value
  } catch {
    return undefined
  }
}
