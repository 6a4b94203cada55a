import { parseDurationMs } from '../std/duration.ts'

/** A Go duration as milliseconds; undefined for none. What does not parse was refused before, and counts as none. */
export function milliseconds(text: string | undefined): number | undefined {
  return text === undefined ? undefined : parseDurationMs(text)
}

/** A limit; 0 and none are no limit. */
export function limit(value: number | undefined): number | undefined {
  return value !== undefined && value > 0 ? value : undefined
}
