import type { CaStatus } from '../server/identity/rotator.ts'
import { formatDuration, printable, table } from './output.ts'

/** The authority for people: its roots, and below them the change under way with everybody it waits for. */
export function caText(status: CaStatus, now: number): string {
  const { trustDomain, sequence, rootNotAfter, issuingNotAfter, former, rotation, history } = status
  const roots = [
    ...status.trusted.map(root => [short(root), stateOf(root, status), '']),
    ...former.map(({ root, until }) => [short(root), 'former', `comes back until in ${formatDuration(until - now)}`]),
  ]
  const [last] = history
  return [
    printable(`trust domain ${trustDomain}, trust bundle ${sequence}`),
    ...(status.supplied
      ? ['the issuing certificate is of your own authority: renew it with weft ca csr and install']
      : []),
    `root ends in ${formatDuration(rootNotAfter - now)}, issuing certificate in ${formatDuration(issuingNotAfter - now)}`,
    '',
    table(['root', 'state', ''], roots, 'there is no root'),
    '',
    rotation === undefined ? lastLine(last, now) : rotationLine(status),
    ...(rotation?.missing ?? []).map(({ node, reason }) => `! ${printable(`${node} ${reason}`)}`),
    ...(rotation?.forced ?? []).map(one => `! ${printable(`${one.step} did not wait for ${one.nodes.join(' ')}`)}`),
  ].join('\n')
}

/** Where a rotation is, in one line. */
export function rotationLine({ rotation }: CaStatus): string {
  if (rotation === undefined) return 'no change of the root is under way'
  const { step, aborting, missing } = rotation
  const whole = aborting ? 'going back to the old root' : 'changing the root'
  return `${whole}: ${step}, waiting for ${missing.length} ${missing.length === 1 ? 'host' : 'hosts'}`
}

function lastLine(last: CaStatus['history'][number] | undefined, now: number): string {
  if (last === undefined) return 'the root has never been changed'
  const forced = last.forced.length === 0 ? '' : ', without waiting for everybody'
  const what = last.outcome === 'done' ? 'the root was changed' : 'a change of the root was taken back'
  return `${what} ${formatDuration(now - last.finishedAt)} ago${forced}`
}

function stateOf(root: string, { root: signing, rotation }: CaStatus): string {
  if (root === signing) return 'signs'
  return rotation?.step === 'preparing' ? 'being made known' : 'on its way out'
}

function short(hash: string): string {
  return hash.slice(0, 16)
}
