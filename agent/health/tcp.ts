import { connect } from 'node:net'
import { type CheckResult, failed, type RunCheck } from './check.ts'

/** Healthy when a connection comes about; it is closed at once, without a byte. */
export const checkTcp: RunCheck<'tcp'> = (check, address, signal) =>
  new Promise<CheckResult>(resolve => {
    const socket = connect({ host: check.host ?? address, port: check.port, signal })
    const done = (result: CheckResult) => {
      socket.destroy()
      resolve(result)
    }
    socket.once('connect', () => done({ healthy: true, reason: '' }))
    socket.once('error', error => done(failed(error)))
  })
