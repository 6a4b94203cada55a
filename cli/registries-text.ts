import type { HeldRemoval, RegistryStatus } from '../server/status.ts'
import { formatDuration, printable, table } from './output.ts'

/** All registries for people: a table, and below it a line for everything that wants attention. */
export function registriesText(registries: readonly RegistryStatus[], now: number): string {
  const rows = registries.map(registry => [
    registry.name,
    registry.kind,
    `${registry.state} ${formatDuration(now - registry.since)}`,
    viewAge(registry, now),
    String(registry.services),
    String(registry.workloads),
    registry.held === undefined ? '-' : String(registry.held.workloads + registry.held.services),
    String(registry.flapping),
    String(registry.problems.length),
  ])
  const notes = registries.flatMap(registry => registryNotes(registry, now))
  return [
    table(head, rows, 'no registry is configured'),
    ...(notes.length === 0 ? [] : ['', ...[...new Set(notes)].map(note => `! ${printable(note)}`)]),
  ].join('\n')
}

const head = ['registry', 'kind', 'state', 'last view', 'services', 'workloads', 'held', 'flapping', 'left out']

/** How long ago the registry last said what is in use. */
function viewAge({ state, since }: RegistryStatus, now: number): string {
  if (state === 'starting') return 'none'
  return state === 'fresh' ? 'current' : `${formatDuration(now - since)} old`
}

/** What wants attention of one registry, a line each; `now` is the server's clock. */
export function registryNotes(registry: RegistryStatus, now: number): readonly string[] {
  const name = `registry ${registry.name}`
  const { state, held, flapping } = registry
  const why = registry.reason === undefined ? '' : `: ${registry.reason}`
  return [
    ...(state === 'starting'
      ? [`${name} has not answered yet${why}; agents get no new configuration before every registry has`]
      : []),
    ...(state === 'stale'
      ? [`${name} is stale since ${timeOf(registry.since)}${why}; its last view stays in use`]
      : []),
    ...(held === undefined
      ? []
      : [`${name}: ${heldText(held, now)}; if they are really gone: weft registries confirm ${registry.name}`]),
    ...(flapping > 0
      ? [`${name}: the health of ${count(flapping, 'workload')} keeps changing and is held steady meanwhile`]
      : []),
    ...registry.problems.map(one => `${name}: ${one.item}: ${one.reason}`),
  ]
}

function heldText({ services, workloads, answering, since, until }: HeldRemoval, now: number): string {
  const parts = [
    ...(services > 0 ? [count(services, 'service')] : []),
    ...(workloads > 0 ? [count(workloads, 'workload')] : []),
  ]
  const gone = `${parts.join(' and ')} disappeared at once ${formatDuration(now - since)} ago`
  if (answering > 0) {
    const who =
      answering === 1 ? '1 workload of them still answers and stays' : `${answering} of them still answer and stay`
    return `${gone}; ${who} in use until that is confirmed`
  }
  return `${gone} and stay in use for ${formatDuration(until - now)} more`
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`
}

/** To the second, UTC. */
export function timeOf(time: number): string {
  return new Date(time).toISOString().replace(/\.\d+Z$/, 'Z')
}
