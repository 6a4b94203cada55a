import type { RunCheck } from './check.ts'
import { outputOf } from './exec.ts'

/** States in which a unit serves (org.freedesktop.systemd1(5), ActiveState). */
const serving = new Set(['active', 'reloading', 'refreshing'])

/** Healthy when systemd says that the unit is active; `systemctl` is the program to ask. */
export function unitCheck(systemctl = 'systemctl'): RunCheck<'unit'> {
  return async ({ unit }, _address, signal) => {
    const command = [systemctl, 'show', '--property=LoadState,ActiveState,SubState', '--', unit]
    const { code, stdout, stderr } = await outputOf(command, signal)
    if (code !== 0) {
      const said = stderr.split('\n', 1)[0] ?? ''
      return { healthy: false, reason: said === '' ? `systemd does not answer: ${code}` : said }
    }
    const state = new Map(stdout.split('\n').map(line => [line.split('=', 1)[0], line.slice(line.indexOf('=') + 1)]))
    const active = state.get('ActiveState') ?? ''
    if (serving.has(active)) return { healthy: true, reason: '' }
    if (state.get('LoadState') === 'not-found') return { healthy: false, reason: 'there is no such unit' }
    const detail = state.get('SubState') ?? ''
    return { healthy: false, reason: active === '' ? 'systemd says no state' : `${active} (${detail})` }
  }
}
