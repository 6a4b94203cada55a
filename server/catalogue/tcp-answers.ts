import { connect } from 'node:net'

/** Longest wait for a connection, milliseconds. */
const timeoutMs = 1000

/**
 * Whether somebody takes a TCP connection at the address; it is closed at once, without a byte. False when it is
 * refused, times out after a second, or the signal aborts.
 */
export function answersTcp(address: string, port: number, signal: AbortSignal): Promise<boolean> {
  return new Promise(resolve => {
    if (signal.aborted) return resolve(false)
    const socket = connect({ host: address, port, timeout: timeoutMs })
    const end = (answered: boolean) => {
      signal.removeEventListener('abort', stop)
      socket.destroy()
      resolve(answered)
    }
    const stop = () => end(false)
    signal.addEventListener('abort', stop, { once: true })
    socket.once('connect', () => end(true))
    socket.once('timeout', stop)
    socket.once('error', stop)
  })
}
