import { agentSpiffeId, formatSpiffeId, parseSpiffeId } from '../../mesh/identity/spiffe-id.ts'
import { type Clock, clampTimerMs, type Timer } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { Nodes } from '../nodes.ts'
import type { OwnAuthority } from './authority.ts'
import type { Ban, CaState } from './ca-state.ts'

/** Who may not take part. */
export interface Bans {
  /** Newest first. */
  list(): readonly Ban[]
  /**
   * Bans a node, by its name or its agent's SPIFFE id, with every key it has a valid certificate for; or the identity of
   * a workload wherever it is. What is banned already stays so, with the new reason. Throws WEFT_NOT_FOUND for a node
   * that has not joined, WEFT_USAGE for what cannot be banned, WEFT_STORE when it cannot be kept.
   */
  ban(who: string, reason: string): Promise<Ban>
  /** Lets it take part again. Throws WEFT_NOT_FOUND when it is not banned. */
  unban(who: string): Promise<void>
  stop(): void
}

export interface BansDeps {
  readonly clock: Clock
  readonly log: Log
  readonly authority: Pick<OwnAuthority, 'trustDomain' | 'ca' | 'issued'>
  readonly nodes: Pick<Nodes, 'get' | 'put' | 'all'>
}

const forgetEveryMs = 3_600_000

/**
 * Opens the bans of a mesh. They are part of what agents are told to believe and are kept with it, in one file; that a
 * node is banned is noted with the node too, and made up for here when a crash came in between.
 */
export async function openBans({ clock, log, authority, nodes }: BansDeps): Promise<Bans> {
  const { ca, issued, trustDomain } = authority
  for (const { subject } of ca.state.value.bans) if (subject.kind === 'node') await mark(subject.name, true)
  let timer: Timer
  forget()

  /** Keys whose last certificate has ended need no ban; that of the node stays. */
  function forget(): void {
    const now = clock.now()
    const state = ca.state.value
    const bans = state.bans.map(ban => ({ ...ban, keys: ban.keys.filter(({ until }) => until >= now) }))
    try {
      if (bans.some((ban, at) => ban.keys.length !== state.bans[at]?.keys.length)) change(bans)
    } catch (error) {
      log.warn('expired keys of bans could not be forgotten', { error: describeError(error) })
    }
    timer = clock.timer(clampTimerMs(forgetEveryMs), forget)
  }

  function change(bans: readonly Ban[]): void {
    const state: CaState = ca.state.value
    ca.change({ ...state, sequence: state.sequence + 1, bans })
  }

  async function mark(node: string, banned: boolean): Promise<boolean> {
    const record = await nodes.get(node)
    if (record === undefined) return false
    if (record.banned !== banned) await nodes.put({ ...record, banned })
    return record.banned !== banned
  }

  function subjectOf(who: string): Ban['subject'] {
    if (!who.startsWith('spiffe://')) {
      agentSpiffeId(trustDomain, who)
      return { kind: 'node', name: who }
    }
    const id = parseSpiffeId(who)
    if (id.trustDomain !== trustDomain || id.kind === 'server') {
      throw new MeshError('WEFT_USAGE', 'only agents and workloads of this mesh can be banned', { fields: { who } })
    }
    return id.kind === 'agent' ? { kind: 'node', name: id.node } : { kind: 'identity', name: formatSpiffeId(id) }
  }

  return {
    list: () => ca.state.value.bans,
    async ban(who, reason) {
      const subject = subjectOf(who)
      const now = clock.now()
      if (subject.kind === 'node' && (await nodes.get(subject.name)) === undefined) {
        throw new MeshError('WEFT_NOT_FOUND', 'no node of this name has joined', { fields: { node: subject.name } })
      }
      const held = issued.valid(now).filter(({ node }) => subject.kind === 'node' && node === subject.name)
      const keys = held.map(({ keyHash, notAfter }) => ({ hash: keyHash, until: notAfter }))
      const ban: Ban = { subject, reason, at: now, keys }
      change([ban, ...without(ca.state.value.bans, subject)])
      log.warn('banned, by order of an operator', { ...subject, reason, keys: keys.length })
      if (subject.kind === 'node') await mark(subject.name, true)
      return ban
    },
    async unban(who) {
      const subject = subjectOf(who)
      const rest = without(ca.state.value.bans, subject)
      const isListed = rest.length < ca.state.value.bans.length
      if (isListed) change(rest)
      const wasMarked = subject.kind === 'node' && (await mark(subject.name, false))
      if (!isListed && !wasMarked)
        throw new MeshError('WEFT_NOT_FOUND', 'nobody of this name is banned', { fields: { who } })
      log.warn('ban lifted, by order of an operator', { ...subject })
    },
    stop: () => timer.cancel(),
  }
}

function without(bans: readonly Ban[], { kind, name }: Ban['subject']): readonly Ban[] {
  return bans.filter(({ subject }) => subject.kind !== kind || subject.name !== name)
}
