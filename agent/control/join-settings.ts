import { createBackoff } from '../../mesh/std/backoff.ts'
import { type Clock, type Random, sleep } from '../../mesh/std/clock.ts'
import { describeError, hasCode, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import type { AgentSettings } from '../config.ts'
import type { HeldCertificate } from '../identity/held-certificate.ts'
import { holdCertificate } from '../identity/held-certificate.ts'
import { agentState } from './agent-state.ts'
import { gatherEvidence } from './evidence.ts'
import { type EvidenceOptions, type JoinDeps, joinByEvidence } from './join.ts'
import { openStateDirectory } from './state-directory.ts'

type JoinSettings = Pick<AgentSettings, 'node' | 'server' | 'join'>

/**
 * Joins with the evidence that the settings name, read at this moment: tokens on disk are renewed by whoever wrote them.
 * Throws WEFT_USAGE when the settings name none, and as {@link joinByEvidence} does.
 */
export function joinAsConfigured(deps: JoinDeps, { node, server, join }: JoinSettings): Promise<HeldCertificate> {
  const { evidence: kind, evidenceFile, rootHash, audience } = join
  if (kind === '') {
    throw new MeshError('WEFT_USAGE', 'there is nothing to join with', {
      next: 'give --token-file, or --evidence with --root-hash',
    })
  }
  const source = { kind, file: evidenceFile, audience, node }
  const evidence: EvidenceOptions['evidence'] = async (ask, keys) => {
    return { kind, payload: await gatherEvidence(source, ask, keys, deps.clock) }
  }
  return joinByEvidence(deps, { node, server, rootHash, evidence })
}

export interface UnattendedDeps {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
}

const backoffLimits = { baseMs: 1000, capMs: 60_000 }

/**
 * Joins by itself a host that has not joined, or whose certificate has expired while it was switched off, if the settings
 * say with what. Tries until the server lets it in; whoever stops the process stops it.
 */
export async function joinIfNeeded(
  settings: JoinSettings & Pick<AgentSettings, 'stateDir'>,
  { clock, random, log }: UnattendedDeps,
): Promise<void> {
  if (settings.join.evidence === '') return
  const state = agentState(await openStateDirectory(settings.stateDir, { clock, log }))
  const kept = await state.node()
  if (kept?.identity !== undefined && kept.chain !== undefined) {
    const { identity, key, chain } = kept
    if (holdCertificate({ identity, key, chain }).notAfter > clock.now()) return
  }
  const backoff = createBackoff(backoffLimits, random)
  const forever = new AbortController()
  for (;;) {
    try {
      const { identity } = await joinAsConfigured({ clock, state }, settings)
      log.info('joined by evidence', { identity, evidence: settings.join.evidence })
      return
    } catch (error) {
      if (hasCode(error, 'WEFT_USAGE')) throw error
      log.warn('joining failed, trying again', { evidence: settings.join.evidence, error: describeError(error) })
    }
    await sleep(clock, backoff.nextMs(), forever.signal)
  }
}
