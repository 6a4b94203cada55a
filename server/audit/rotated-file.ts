import { closeSync, fstatSync, openSync, readFileSync, renameSync, rmSync, writeSync } from 'node:fs'

export interface RotationBounds {
  /** A file is closed at this size. */
  readonly fileBytes: number
  /** How many are kept, the open one included. */
  readonly files: number
}

/** Lines in `<path>.jsonl`, and older ones in `<path>.1.jsonl` and so on, of which the oldest are forgotten. */
export interface RotatedFile {
  /** One write in append mode, mode 0600; a line that was cut short before is ended first. */
  append(lines: readonly string[]): void
  newestFirst(): Iterable<string>
}

export function createRotatedFile(path: string, { fileBytes, files }: RotationBounds): RotatedFile {
  const nameOf = (at: number) => (at === 0 ? `${path}.jsonl` : `${path}.${at}.jsonl`)

  function rotate(): void {
    rmSync(nameOf(files - 1), { force: true })
    for (let at = files - 2; at >= 0; at -= 1) moveIfThere(nameOf(at), nameOf(at + 1))
  }

  function appendTo(lines: readonly string[]): 'full' | 'written' {
    const file = openSync(nameOf(0), 'a', 0o600)
    try {
      const { size } = fstatSync(file)
      if (size >= fileBytes) return 'full'
      const bytes = Buffer.from(lines.map(line => `${line}\n`).join(''))
      if (writeSync(file, bytes) !== bytes.length) {
        // whoever reads skips the broken line; the lines are written again
        writeSync(file, '\n')
        throw new Error('the disk took only a part of the lines')
      }
      return 'written'
    } finally {
      closeSync(file)
    }
  }

  return {
    append(lines) {
      if (appendTo(lines) === 'written') return
      rotate()
      appendTo(lines)
    },
    *newestFirst() {
      for (let at = 0; at < files; at += 1) {
        const text = readIfThere(nameOf(at))
        if (text === undefined) return
        for (const line of text.split('\n').reverse()) if (line !== '') yield line
      }
    },
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to)
  } catch (error) {
    if (!isMissing(error)) throw error
  }
}

function readIfThere(path: string): string | undefined {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    if (isMissing(error)) return undefined
    throw error
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT'
}
