import { closeSync, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, readSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { type IssuanceQuery, readIssuance } from './issuance-read.ts'
import { type Issued, issuanceFile, parseIssued } from './issued.ts'

/**
 * The record of everything that was issued: JSON lines in `issued-<year>-<month>.jsonl`, only ever appended to. It
 * also knows which node holds which key for as long as a certificate for that key is valid.
 */
export interface IssuanceLog {
  /** Writes the line before the certificate leaves the server; throws WEFT_STORE when it cannot. */
  append(issued: Issued): void
  /** The node that holds a valid certificate for this key; empty string for the server, undefined for nobody. */
  ownerOf(keyHash: string, now: number): string | undefined
  /** Of each key the certificate that ends last, as far as it is still valid. */
  valid(now: number): readonly Issued[]
  /** Looks in all that was ever issued; see {@link readIssuance}. */
  read(query: IssuanceQuery): readonly Issued[]
}

export interface IssuanceLogDeps {
  readonly folder: string
  readonly now: number
  readonly log: Log
}

/** How many keys are remembered before those with expired certificates are first looked for. */
const firstSweep = 1_000

/**
 * Opens the log in a folder, reading what is still valid; lines that cannot be read are skipped with a warning. Throws
 * WEFT_STORE when the folder cannot be read.
 */
export function openIssuanceLog({ folder, now, log }: IssuanceLogDeps): IssuanceLog {
  const owners = new Map<string, Issued>()
  let sweepAt = firstSweep
  const remember = (issued: Issued) => {
    const { keyHash, notAfter } = issued
    const until = owners.get(keyHash)?.notAfter ?? 0
    owners.set(keyHash, notAfter >= until ? issued : { ...issued, notAfter: until })
  }
  const sweep = (at: number) => {
    if (owners.size < sweepAt) return
    for (const [keyHash, { notAfter }] of owners) if (notAfter < at) owners.delete(keyHash)
    sweepAt = Math.max(firstSweep, owners.size * 2)
  }
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    for (const issued of readValid(folder, now, log)) remember(issued)
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'issuance log cannot be read', { fields: { folder }, cause })
  }
  return {
    append(issued) {
      appendLine(join(folder, fileOf(issued.at)), JSON.stringify(issued))
      remember(issued)
      sweep(issued.at)
    },
    ownerOf(keyHash, at) {
      const owner = owners.get(keyHash)
      return owner === undefined || owner.notAfter < at ? undefined : owner.node
    },
    read: query => readIssuance(folder, query),
    valid: at => [...owners.values()].filter(({ notAfter }) => notAfter >= at),
  }
}

/**
 * One write in append mode, so lines never mix; a line that was cut short before is ended first. Not flushed to the
 * disk each time: a crash of the process loses nothing, a power cut the last seconds.
 */
function appendLine(path: string, line: string): void {
  try {
    const file = openSync(path, 'a+', 0o600)
    try {
      const bytes = Buffer.from(`${endsInsideLine(file) ? '\n' : ''}${line}\n`)
      if (writeSync(file, bytes) !== bytes.length) throw new Error('the disk took only a part of the line')
    } finally {
      closeSync(file)
    }
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'issuance log cannot be written, so nothing is issued', {
      fields: { path },
      cause,
    })
  }
}

function endsInsideLine(file: number): boolean {
  const { size } = fstatSync(file)
  const last = Buffer.alloc(1)
  return size > 0 && readSync(file, last, 0, 1, size - 1) === 1 && last[0] !== 0x0a
}

function* readValid(folder: string, now: number, log: Log): Generator<Issued> {
  for (const name of readdirSync(folder).sort()) {
    if (!issuanceFile.test(name) || !mayBeValid(name, now)) continue
    const path = join(folder, name)
    let unreadable = 0
    for (const line of readFileSync(path, 'utf8').split('\n')) {
      const issued = parseIssued(line)
      if (issued === undefined) unreadable += line === '' ? 0 : 1
      else if (issued.notAfter >= now) yield issued
    }
    if (unreadable > 0) log.warn('issuance log has unreadable lines, they are skipped', { path, lines: unreadable })
  }
}

/** Leaves live at most {@link maxLeafTtlMs}: older months hold nothing that is valid. */
function mayBeValid(name: string, now: number): boolean {
  return name >= fileOf(now - maxLeafTtlMs)
}

/** Longest life of a leaf, in milliseconds: 90 days. */
export const maxLeafTtlMs = 90 * 24 * 3_600_000

function fileOf(at: number): string {
  return `issued-${new Date(at).toISOString().slice(0, 7)}.jsonl`
}
