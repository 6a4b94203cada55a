import { readFile } from 'node:fs/promises'
import { MeshError } from '../../mesh/std/errors.ts'

/** TLS files as texts. */
export interface TlsTexts {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Reads the named files as they are now; throws WEFT_REGISTRY_UNAVAILABLE naming the file. */
export async function readTlsFiles(files: TlsTexts): Promise<TlsTexts> {
  const texts = await Promise.all(
    Object.entries(files).map(async ([kind, file]) => [kind, await readCredential(file)] as const),
  )
  return Object.fromEntries(texts)
}

/** True when both would make the same connection. */
export function sameTls(a: TlsTexts, b: TlsTexts): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key
}

/** Reads a file with a secret; throws WEFT_REGISTRY_UNAVAILABLE naming the file. */
export async function readCredential(file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'a file with credentials for consul cannot be read', {
      fields: { file },
      next: 'check that the file exists and that the server may read it',
      cause,
    })
  }
}
