import { localReply } from '../../agent/dataplane/http/local-replies.ts'
import { outcomes } from '../../agent/dataplane/http/outcomes.ts'
import { type Reason, reasons } from '../../agent/dataplane/reasons.ts'
import { code, table } from './markdown.ts'

/** Reasons that only connections and tunnels end with. */
const ofConnections: readonly Reason[] = [
  'OK',
  'NOT_REDIRECTED',
  'MTLS_REQUIRED',
  'PEER_CERTIFICATE',
  'BAD_HANDSHAKE',
  'BAD_REQUEST',
  'WRONG_WORKLOAD',
]

/** What a request comes to that ends with a reason: for its caller, and in Envoy's words. */
export function outcomeTable(): string {
  const rows = (Object.keys(reasons) as Reason[])
    .filter(reason => !ofConnections.includes(reason))
    .map(reason => {
      const { status, flags, details } = outcomes[reason]
      const grpc = localReply(reason, { isGrpc: true, detail: '', rule: '' }).grpcStatus
      const [http, said] = status === 0 ? ['–', '–'] : [String(status), String(grpc)]
      return [code(reason), http, said, flags === '' ? '–' : code(flags), code(details)]
    })
  return table(['reason', 'status', 'gRPC', 'flag', 'details'], rows)
}
