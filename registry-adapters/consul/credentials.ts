import { readFile } from 'node:fs/promises'
import { MeshError } from '../../mesh/std/errors.ts'
import type { ConsulSettings } from './options.ts'

/** What a connection to Consul needs besides an address: texts, not file names. */
export interface Credentials {
  readonly token?: string
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
}

/** Reads the token and TLS files as they are now; throws WEFT_REGISTRY_UNAVAILABLE naming the file. */
export async function readCredentials(settings: ConsulSettings): Promise<Credentials> {
  const { token, tokenFile, tls } = settings
  const fromFile = await readText(tokenFile)
  if (fromFile?.trim() === '') {
    throw new MeshError('WEFT_REGISTRY_UNAVAILABLE', 'the token file is empty', { fields: { file: tokenFile } })
  }
  const texts = {
    token: fromFile?.trim() ?? token,
    ca: await readText(tls.ca),
    cert: await readText(tls.cert),
    key: await readText(tls.key),
  }
  return Object.fromEntries(Object.entries(texts).filter(([, text]) => text !== undefined))
}

/** True when both would make the same connection. */
export function sameCredentials(a: Credentials, b: Credentials): boolean {
  return a.token === b.token && a.ca === b.ca && a.cert === b.cert && a.key === b.key
}

async function readText(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
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
