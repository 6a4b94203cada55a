import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../mesh/std/errors.ts'
import { type Issued, issuanceFile, parseIssued } from './issued.ts'

/** What is looked for in the issuance log; absent parts do not narrow it. */
export interface IssuanceQuery {
  readonly node?: string
  readonly identity?: string
  /** The most lines that are given. */
  readonly limit: number
}

/**
 * Reads the issuance log of a folder, newest first, month by month and only as far back as needed. Lines that cannot be
 * read are passed over. Throws WEFT_STORE when the folder cannot be read.
 */
export function readIssuance(folder: string, { node, identity, limit }: IssuanceQuery): readonly Issued[] {
  const found: Issued[] = []
  try {
    const names = readdirSync(folder).filter(name => issuanceFile.test(name))
    for (const name of names.sort().reverse()) {
      for (const line of readFileSync(join(folder, name), 'utf8').split('\n').reverse()) {
        if (found.length >= limit) return found
        const issued = parseIssued(line)
        if (issued === undefined) continue
        if ((node ?? issued.node) === issued.node && (identity ?? issued.identity) === issued.identity)
          found.push(issued)
      }
    }
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'issuance log cannot be read', { fields: { folder }, cause })
  }
  return found
}
