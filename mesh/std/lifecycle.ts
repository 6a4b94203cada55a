/** Something that was started. Stopping twice is harmless; `stop` resolves when nothing of it is left running. */
export interface Running {
  /** Addresses really bound, by name (`api`, `metrics`, `hbone`), as `host:port` or a socket path. */
  readonly addresses: Readonly<Record<string, string>>
  stop(): Promise<void>
}

/**
 * Collects what has been started and stops it in reverse order. One part that fails to stop does not keep the
 * others running; the first failure is thrown at the end.
 */
export class Started {
  readonly #parts: (() => unknown)[] = []

  /** Remembers how to stop a part; returns nothing, so it reads as a statement after each start. */
  add(stop: () => unknown): void {
    this.#parts.push(stop)
  }

  async stop(): Promise<void> {
    const failures: unknown[] = []
    for (let part = this.#parts.pop(); part !== undefined; part = this.#parts.pop()) {
      try {
        await part()
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }
}
