import { MeshError } from '../mesh/std/errors.ts'

const units = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** Reads `90s`, `30m`, `12h`, `7d` as milliseconds; throws WEFT_USAGE. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? []
  if (digits === undefined || unit === undefined) {
    throw new MeshError('WEFT_USAGE', `${text} is no duration`, { next: 'write 90s, 30m, 12h or 7d' })
  }
  return Number(digits) * units[unit as keyof typeof units]
}
