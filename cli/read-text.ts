import { readFileSync } from 'node:fs'
import { MeshError } from '../mesh/std/errors.ts'

/** The text of a file, or of standard input for `-`; throws WEFT_USAGE when it cannot be read. */
export function readText(file: string): string {
  try {
    return readFileSync(file === '-' ? 0 : file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_USAGE', `${file} cannot be read`, { cause, next: 'check the path' })
  }
}
