import { describeError, MeshError } from '../mesh/std/errors.ts'
import type { AdapterHealth } from './adapter.ts'

/** How the parts of one adapter stand with the registry, told to the outside as one. */
export interface Standing {
  /** The part has just succeeded; returns whether it had been failing. */
  succeeded(part: string): boolean
  failed(part: string, error: unknown): void
  /** The first good view is out: from now on, nothing failing means fresh. */
  viewed(): void
}

/** Reports only changes: each new reason of a failure, and `fresh` once no part is failing and there is a view. */
export function createStanding(report: (health: AdapterHealth) => void): Standing {
  const reasons = new Map<string, string>()
  let hasView = false
  let said: string | undefined

  function tell(): void {
    const [reason] = reasons.values()
    if (reason === undefined && !hasView) return
    const now = reason ?? ''
    if (now === said) return
    said = now
    report(reason === undefined ? { kind: 'fresh' } : { kind: 'failing', reason })
  }

  return {
    succeeded(part) {
      const hadFailed = reasons.delete(part)
      tell()
      return hadFailed
    },
    failed(part, error) {
      reasons.set(part, reasonOf(error))
      tell()
    },
    viewed() {
      hasView = true
      tell()
    },
  }
}

/** `consul answers with an error (status 500, said No cluster leader)`: the error on one line with its values. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof MeshError)) return describeError(error)
  const values = Object.entries(error.fields).map(([key, value]) => `${key} ${String(value)}`)
  return values.length === 0 ? describeError(error) : `${describeError(error)} (${values.join(', ')})`
}
