import type { LocalTarget, Table } from '../table.ts'

/** A connection or a request to a port of this host that is under way. */
export interface LiveCall {
  /** `ip:port` of the target. */
  readonly authority: string
  /** Ends it if the policies of its target forbid it now. */
  judgeAgain(target: LocalTarget): void
}

/** Whatever is under way to this host's ports, so that stricter policies end it. */
export class LiveCalls {
  readonly #open = new Set<LiveCall>()

  add(call: LiveCall): void {
    this.#open.add(call)
  }

  delete(call: LiveCall): void {
    this.#open.delete(call)
  }

  /**
   * Cuts what a policy forbids now. Calls to a workload that is not declared any more go on: it is being taken out of
   * service, and finishes what it has.
   */
  judgeAgain(table: Table): void {
    for (const call of [...this.#open]) {
      const target = table.local.get(call.authority)
      if (target !== undefined) call.judgeAgain(target)
    }
  }
}
