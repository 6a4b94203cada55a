import { connect, type Socket } from 'node:net'
import { describeError } from '../../mesh/std/errors.ts'
import type { ThreadState } from './state.ts'
import type { LocalTarget } from './table.ts'

const connectTimeoutMs = 5_000

/**
 * Opens the connection to a local process where it takes them. `done` is called once, with the paused socket or with why
 * there is none; nothing is called after `cancel`.
 */
export function connectLocal(
  target: LocalTarget,
  state: Pick<ThreadState, 'clock'>,
  done: (local: Socket | undefined, detail: string) => void,
): { cancel(): void } {
  let over = false
  const local = connect({ ...target.to.connect, allowHalfOpen: true, noDelay: true })
  local.pause()
  const finish = (socket: Socket | undefined, detail: string) => {
    if (over) return
    over = true
    timer.cancel()
    local.off('error', onError)
    if (socket === undefined) {
      local.on('error', () => {})
      local.destroy()
    }
    done(socket, detail)
  }
  const onError = (error: Error) => finish(undefined, describeError(error))
  const timer = state.clock.timer(connectTimeoutMs, () =>
    finish(undefined, `no answer in ${connectTimeoutMs / 1000} s`),
  )
  local.on('error', onError)
  local.once('connect', () => finish(local, ''))
  return {
    cancel() {
      if (over) return
      over = true
      timer.cancel()
      local.off('error', onError)
      local.on('error', () => {})
      local.destroy()
    },
  }
}
