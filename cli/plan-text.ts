import type { Plan, PlannedEffect } from '../server/flows/plan.ts'
import { formatDuration, printable, table } from './output.ts'

const maxRequests = 3

/** A plan for people: who would be cut off, who let in, and how much is known. */
export function planText(plan: Plan): string {
  return [
    ...section('would be cut off', plan.cutOff, plan.now),
    '',
    ...section('would be let in', plan.letIn, plan.now),
    '',
    ...knownLines(plan).map(printable),
  ].join('\n')
}

/** One caller in one line: `spiffe://… to shop/api:8080 (GET /): denied by …, seen 12 times, last 3 min ago`. */
export function effectLine(effect: PlannedEffect, now: number): string {
  const requests = effect.requests.length === 0 ? '' : ` (${requestsOf(effect)})`
  const last = `${formatDuration(now - effect.lastSeen)} ago`
  return `${callerOf(effect)} to ${portOf(effect)}${requests}: ${effect.after.by}; seen ${effect.count} times, last ${last}`
}

function section(title: string, effects: readonly PlannedEffect[], now: number): readonly string[] {
  if (effects.length === 0) return [`nobody ${title}`]
  const rows = effects.map(effect => [
    callerOf(effect),
    portOf(effect),
    requestsOf(effect),
    `${effect.count} times`,
    `${formatDuration(now - effect.lastSeen)} ago`,
    effect.before.by,
    effect.after.by,
  ])
  const head = ['caller', 'service', 'requests', 'seen', 'last', 'now decided by', 'then decided by']
  return [`${title}:`, table(head, rows, '')]
}

function knownLines({ now, observed, gone, unclear, notKept, cutOff, letIn }: Plan): readonly string[] {
  const { flows, since, until, nodes, silentNodes } = observed
  const judged =
    since === undefined || until === undefined
      ? 'no call was seen yet: nothing can be said of any caller'
      : `judged by ${flows} kinds of calls, seen on ${nodes.length} nodes from ${formatDuration(now - since)} ago ` +
        `to ${formatDuration(now - until)} ago; callers that were not seen cannot be judged`
  return [
    judged,
    ...(silentNodes.length === 0 ? [] : [`! no call was seen on ${silentNodes.join(', ')}`]),
    ...(gone === 0 ? [] : [`! ${gone} of them are of services that nobody serves any more`]),
    ...(unclear === 0
      ? []
      : [`! ${unclear} of them passed, and would not today: policies have changed since, or ask for more`]),
    ...(![...cutOff, ...letIn].some(({ isPartial }) => isPartial)
      ? []
      : ['! {*} and {**} stand for parts of paths that are not kept: rules for one of them may decide otherwise']),
    ...notKept.map(({ policy, fields }) => `! ${policy} asks for ${fields.join(', ')}, which is not kept of calls`),
  ]
}

function callerOf({ caller, networks }: PlannedEffect): string {
  return caller === '' ? `plaintext from ${networks.join(', ')}` : caller
}

function portOf({ service, port }: PlannedEffect): string {
  return `${service}:${port}`
}

function requestsOf({ requests }: PlannedEffect): string {
  if (requests.length === 0) return '-'
  const more = requests.length - maxRequests
  return requests.slice(0, maxRequests).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
