/** Lets so many run at once, the others in the order they came. */
export interface Slots {
  /** Runs when there is room, or answers undefined when the signal aborts before; throws what `task` throws. */
  run<T>(task: () => Promise<T>, signal: AbortSignal): Promise<T | undefined>
}

export function createSlots(count: number): Slots {
  const waiting = new Set<() => void>()
  let free = count

  function room(signal: AbortSignal): Promise<boolean> {
    return new Promise(resolve => {
      const leave = () => {
        waiting.delete(enter)
        resolve(false)
      }
      const enter = () => {
        waiting.delete(enter)
        signal.removeEventListener('abort', leave)
        free -= 1
        resolve(true)
      }
      if (signal.aborted) return resolve(false)
      if (free > 0) return enter()
      waiting.add(enter)
      signal.addEventListener('abort', leave, { once: true })
    })
  }

  return {
    async run(task, signal) {
      if (!(await room(signal))) return undefined
      try {
        return await task()
      } finally {
        free += 1
        for (const enter of waiting) {
          enter()
          break
        }
      }
    },
  }
}
