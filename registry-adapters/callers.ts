import type { CallerSelector } from '../mesh/model/workload.ts'
import type { InstanceSettings } from './instance-settings.ts'
import { quoted } from './quoted.ts'

/** The largest uid is 2^32-2; one more means "none" to the kernel. */
const maxUid = 2 ** 32 - 2
const userName = /^[a-z_][a-z0-9_-]{0,30}\$?$/
/** Names of services after systemd.unit(5), with or without `.service`. */
const unitName = /^[A-Za-z0-9:_.\\-]+(@[A-Za-z0-9:_.\\-]+)?$/

/**
 * Which local processes are this workload: `uid`, `user`, `unit` and `cgroup`, each a list with commas. What cannot
 * be one is returned as a reason and selects nobody.
 */
export function callersOf(settings: InstanceSettings): {
  readonly callers: readonly CallerSelector[]
  readonly reasons: readonly string[]
} {
  const callers: CallerSelector[] = []
  const reasons: string[] = []
  const read = (key: 'uid' | 'user' | 'unit' | 'cgroup', toCaller: (text: string) => CallerSelector | undefined) => {
    for (const text of listOf(settings[key])) {
      const caller = toCaller(text)
      if (caller === undefined) reasons.push(`weft-${key} ${quoted(text)} is not valid and selects no caller`)
      else callers.push(caller)
    }
  }
  read('uid', text =>
    /^\d{1,10}$/.test(text) && Number(text) <= maxUid ? { kind: 'uid', uid: Number(text) } : undefined,
  )
  read('user', text => (userName.test(text) ? { kind: 'user', user: text } : undefined))
  read('unit', text => (unitName.test(text) ? { kind: 'cgroup', path: cgroupOfUnit(text) } : undefined))
  read('cgroup', text => (isCgroupPath(text) ? { kind: 'cgroup', path: text } : undefined))
  return { callers, reasons }
}

/**
 * Where systemd places a service that names no slice: `system.slice/<unit>`, instances of a template in a slice of
 * their own, in whose name the dashes of the template are escaped (systemd.slice(5)).
 */
function cgroupOfUnit(unit: string): string {
  const name = unit.endsWith('.service') ? unit : `${unit}.service`
  const at = name.indexOf('@')
  if (at < 0) return `system.slice/${name}`
  return `system.slice/system-${name.slice(0, at).replaceAll('-', '\\x2d')}.slice/${name}`
}

function isCgroupPath(path: string): boolean {
  const parts = path.split('/')
  return path.length < 4096 && /^[\x21-\x7e]+$/.test(path) && !parts.some(part => ['', '.', '..'].includes(part))
}

function listOf(text: string | undefined): readonly string[] {
  return (text ?? '')
    .split(',')
    .map(item => item.trim())
    .filter(item => item !== '')
}
