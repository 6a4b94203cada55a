import type { CallerSelector } from '../model/workload.ts'
import { dnsSubdomain, nodeName } from './primitives.ts'
import { isProbeUnit } from './probe-values.ts'

/** What a WorkloadEntry or a policy says in annotations because Istio has no field for it. */

/** Istio's: the policy is judged, counted and logged, and has no effect. */
export const dryRunAnnotation = 'istio.io/dry-run'
/** Of a PeerAuthentication: from that time on its PERMISSIVE counts as STRICT. */
export const permissiveUntilAnnotation = 'weft.dev/permissive-until'

/** Longest cgroup path and user name that is taken. */
const maxPathLength = 1024
/** -1 and its unsigned twin stand for "no user" in system calls. */
const maxUid = 2 ** 32 - 2

type Annotations = Readonly<Record<string, string>>
type Checks = Readonly<Record<string, (value: string) => string | undefined>>

const workloadChecks: Checks = {
  'weft.dev/node': value => (nodeName.safeParse(value).success ? undefined : 'is not the name of a host'),
  'weft.dev/group': value => (dnsSubdomain.safeParse(value).success ? undefined : 'is not the name of a WorkloadGroup'),
  'weft.dev/user': value => (isUserName(value) ? undefined : 'is not a user name'),
  'weft.dev/uid': value => (isUidText(value) ? undefined : `must be a whole number from 0 to ${maxUid}`),
  'weft.dev/cgroup': value => (isCgroupPath(value) ? undefined : 'must be a path relative to the cgroup root'),
  'weft.dev/unit': value => (isUnitName(value) ? undefined : 'is not the name of a systemd service'),
  'weft.dev/health-unit': value => (isProbeUnit(value) ? undefined : 'is not the name of a systemd unit'),
}

const policyChecks: Checks = {
  [dryRunAnnotation]: value => (value === 'true' || value === 'false' ? undefined : 'must be "true" or "false"'),
  [permissiveUntilAnnotation]: value => (isTime(value) ? undefined : 'must be a time such as 2026-01-31T12:00:00Z'),
}

const checks: Checks = { ...workloadChecks, ...policyChecks }

/** Names of the annotations a workload may carry. */
export const weftAnnotations: readonly string[] = Object.keys(workloadChecks)

/** What is wrong with the value of an annotation that is known, undefined when nothing is. */
export function checkAnnotation(key: string, value: string): string | undefined {
  return checks[key]?.(value)
}

/** Whether a policy is only to be tried, by its checked annotations. */
export function isDryRun({ annotations }: { readonly annotations?: Annotations | undefined }): boolean {
  return annotations?.[dryRunAnnotation] === 'true'
}

/** Until when a policy permits plaintext, in milliseconds since 1970; undefined without an end. */
export function permissiveUntil({
  annotations,
}: {
  readonly annotations?: Annotations | undefined
}): number | undefined {
  const text = annotations?.[permissiveUntilAnnotation]
  return text === undefined ? undefined : Date.parse(text)
}

/** How a host tells which processes belong to a workload, from checked annotations. */
export function callersFromAnnotations(annotations: Readonly<Record<string, string>>): CallerSelector[] {
  const uid = annotations['weft.dev/uid']
  return callerSelectors({
    uid: uid === undefined ? undefined : Number(uid),
    user: annotations['weft.dev/user'],
    cgroup: annotations['weft.dev/cgroup'],
    unit: annotations['weft.dev/unit'],
  })
}

/** The selectors for what is given, the cheapest to match first. */
export function callerSelectors(by: {
  readonly uid?: number | undefined
  readonly user?: string | undefined
  readonly cgroup?: string | undefined
  readonly unit?: string | undefined
}): CallerSelector[] {
  const selectors: CallerSelector[] = []
  if (by.uid !== undefined) selectors.push({ kind: 'uid', uid: by.uid })
  if (by.user !== undefined) selectors.push({ kind: 'user', user: by.user })
  if (by.cgroup !== undefined) selectors.push({ kind: 'cgroup', path: by.cgroup })
  if (by.unit !== undefined) selectors.push({ kind: 'cgroup', path: unitCgroup(by.unit) })
  return selectors
}

/**
 * The cgroup in which systemd runs a service of the system manager. Instances of a template share a slice named after
 * it, in which a dash of the name is escaped, as a dash in a slice's name means nesting (systemd.slice(5)).
 */
export function unitCgroup(unit: string): string {
  const service = unit.endsWith('.service') ? unit : `${unit}.service`
  const at = service.indexOf('@')
  if (at === -1) return `system.slice/${service}`
  return `system.slice/system-${service.slice(0, at).replaceAll('-', '\\x2d')}.slice/${service}`
}

/** A user name as useradd takes it, with the dots that directories add. */
export function isUserName(text: string): boolean {
  return /^[A-Za-z_][A-Za-z0-9._-]{0,254}\$?$/.test(text)
}

/** True for a path below the cgroup v2 root, written plainly: no leading slash, no empty, `.` or `..` parts. */
export function isCgroupPath(text: string): boolean {
  if (text.length > maxPathLength || !/^[\x21-\x7e]+$/.test(text)) return false
  return text.split('/').every(part => part !== '' && part !== '.' && part !== '..')
}

/** True for the name of a service unit, with or without `.service` (systemd.unit(5)). */
export function isUnitName(text: string): boolean {
  return /^[A-Za-z0-9:_.\\-]+(?:@[A-Za-z0-9:_.\\-]+)?$/.test(text) && text.length <= 255
}

/** True for a numeric user id. */
export function isUid(value: number): boolean {
  return Number.isInteger(value) && value >= 0 && value <= maxUid
}

function isUidText(text: string): boolean {
  return /^(?:0|[1-9]\d{0,9})$/.test(text) && isUid(Number(text))
}

/** RFC 3339, of a day that there is. */
function isTime(text: string): boolean {
  const parts = /^(\d{4}-\d\d-\d\d)T\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/.exec(text)
  const [, day = ''] = parts ?? []
  if (parts === null || Number.isNaN(Date.parse(text))) return false
  return new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)
}
