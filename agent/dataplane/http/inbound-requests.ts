import { peek, silentMs } from '../detect/peek.ts'
import type { InboundRequests } from '../hbone/inbound-requests.ts'
import { notHttp } from '../policy/calls.ts'
import type { ThreadState } from '../state.ts'
import { InboundExchange } from './inbound-exchange.ts'
import { reportRefused } from './refused-request.ts'

/** Serves what other agents send: requests as streams, and requests inside of tunnels. */
export function serveInbound(state: ThreadState): InboundRequests {
  const inbound: InboundRequests = {
    request(stream, headers, endStream, from, target) {
      new InboundExchange(state, stream, headers, endStream, from, target)
    },
    tunnel(socket, from, target, refuse, carry) {
      socket.on('error', () => {})
      peek(socket, state.clock, silentMs, ({ protocol, by }) => {
        if (protocol !== 'http1' && protocol !== 'http2') {
          if (by === 'nothing') refuse('CLIENT_RESET', '')
          else if (carry !== undefined && by !== 'timeout') return carry()
          else refuse('NOT_HTTP', notHttp(target))
          return void socket.destroy()
        }
        state.httpConnections.serve(socket, protocol, state, {
          request: (stream, headers, endStream) => inbound.request(stream, headers, endStream, from, target),
          refused: problem => reportRefused(state, 'inbound', from.labels, from.address, problem),
        })
      })
    },
  }
  return inbound
}
