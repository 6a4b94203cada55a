import type { PermissiveUntil } from '../mesh/policy/permissive-until.ts'
import type { StatusView } from '../server/api/routes-status.ts'
import type { AgentStatus, TokenKeysStatus } from '../server/status.ts'
import { formatDuration, printable, table } from './output.ts'
import { registryNotes, timeOf } from './registries-text.ts'

/** The status of a server for people: two tables, and below them a line for everything that wants attention. */
export function statusText(status: StatusView): string {
  const { now, agents, registries } = status
  const agentRows = agents.map(agent => [
    agent.node,
    agentState(agent, now),
    agent.state === 'never' ? '-' : (agent.transport ?? '-'),
    configState(agent),
    certificateEnd(agent, now),
  ])
  const registryRows = registries.map(registry => [
    registry.name,
    registry.kind,
    `${registry.state} ${formatDuration(now - registry.since)}${registry.held === undefined ? '' : ', held back'}`,
    String(registry.services),
    String(registry.workloads),
  ])
  const notes = [
    ...agents.flatMap(agent => agentNotes(agent, now)),
    ...registries.flatMap(registry => registryNotes(registry, now)),
    ...(status.tokenKeys ?? []).flatMap(keys => tokenKeysNotes(keys, now)),
    ...(status.permissive ?? []).map(one => permissiveNote(one, now)),
    ...status.problems.map(one => `${one.item}: ${one.reason}`),
  ]
  return [
    `server ${status.server}, trust domain ${status.trustDomain}, version ${status.version}`,
    '',
    table(['agent', 'state', 'channel', 'config', 'certificate ends'], agentRows, 'no agent has joined'),
    '',
    table(['registry', 'kind', 'state', 'services', 'workloads'], registryRows, 'no registry is configured'),
    ...(notes.length === 0 ? [] : ['', ...[...new Set(notes)].map(note => `! ${printable(note)}`)]),
  ].join('\n')
}

function permissiveNote({ policy, until, isOver }: PermissiveUntil, now: number): string {
  const name = `PeerAuthentication ${policy}`
  if (isOver) return `${name} has counted as STRICT since ${timeOf(until)}, when its time was over: write STRICT`
  return `${name} permits plaintext until ${timeOf(until)}, for ${formatDuration(until - now)} more`
}

function agentState(agent: AgentStatus, now: number): string {
  const banned = agent.banned ? ', banned' : ''
  if (agent.state === 'never') return `not seen yet${banned}`
  return `${agent.state} ${formatDuration(now - agent.since)}${banned}`
}

/** The version it was sent last, and what it said to it. */
function configState(agent: AgentStatus): string {
  const { configVersion, answeredVersion, rejected } = agent
  if (agent.state === 'never') return '-'
  if (answeredVersion < configVersion) return `${configVersion} pending`
  return `${answeredVersion} ${rejected.length > 0 ? 'nacked' : 'acked'}`
}

function certificateEnd({ certificateExpiresAt }: AgentStatus, now: number): string {
  if (certificateExpiresAt === undefined) return '-'
  const left = certificateExpiresAt - now
  return left > 0 ? `in ${formatDuration(left)}` : `expired ${formatDuration(-left)} ago`
}

function agentNotes(agent: AgentStatus, now: number): readonly string[] {
  const name = `agent ${agent.node}`
  const why = agent.lastClose === undefined ? '' : `: ${agent.lastClose}`
  return [
    ...(agent.banned ? [`${name} is banned: it gets neither configuration nor certificates`] : []),
    ...(agent.state === 'stale' && !agent.banned
      ? [`${name} is stale since ${timeOf(agent.since)}${why}; it goes on with the configuration it has`]
      : []),
    ...(agent.state === 'never' && !agent.banned
      ? [`${name} has joined ${formatDuration(now - agent.since)} ago and was not seen since this server started`]
      : []),
    ...agent.rejected.map(one =>
      one.withheld === true
        ? `${name} does not get ${one.name}: ${one.reason}`
        : `${name} does not take ${one.name} and keeps its last good version: ${one.reason}`,
    ),
  ]
}

function tokenKeysNotes({ uri, state, since, reason = '' }: TokenKeysStatus, now: number): readonly string[] {
  const what = `the keys for tokens from ${uri} cannot be fetched for ${formatDuration(now - since)}`
  if (state === 'stale') return [`${what}; the last good ones stay in use: ${reason}`]
  return state === 'missing' ? [`${what}; tokens of their rules are refused: ${reason}`] : []
}
