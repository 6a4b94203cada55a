import type { Duplex } from 'node:stream'
import { resetSocket } from './reset.ts'
import type { SpliceEnd } from './splice.ts'

/** A TCP socket, or a tunnel as one. */
export type JoinableStream = Duplex & { readonly bytesRead: number }

/**
 * Joins two TCP sockets, or a tunnel and one, with the same promises as `splice`: half-closes, resets and back-pressure go over. Both must
 * have been opened with `allowHalfOpen`. `ended` is called once, with how many bytes went from `near` to `far` and
 * back.
 */
export function join(
  near: JoinableStream,
  far: JoinableStream,
  ended: (end: SpliceEnd, detail: string, sent: number, received: number) => void,
): void {
  let over = false
  let open = 2
  const sentBefore = near.bytesRead
  const receivedBefore = far.bytesRead
  const finish = (end: SpliceEnd, detail: string) => {
    if (over) return
    over = true
    ended(end, detail, near.bytesRead - sentBefore, far.bytesRead - receivedBefore)
  }
  const half = (from: Duplex, to: Duplex, resetMeans: SpliceEnd) => {
    from.pipe(to)
    from.on('error', error => {
      finish(resetMeans, error.message)
      resetSocket(to)
    })
    from.on('close', () => {
      open -= 1
      if (open === 0) finish('ok', '')
      else if (!from.readableEnded) {
        finish(resetMeans, 'closed')
        resetSocket(to)
      }
    })
  }
  half(near, far, 'socket-reset')
  half(far, near, 'stream-reset')
}
