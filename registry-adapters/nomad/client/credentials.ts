import { readFile } from 'node:fs/promises'
import { nomadError } from './errors.ts'
import type { NomadSettings } from './options.ts'

/** What a connection to Nomad needs besides an address: texts, not file names. */
export interface Credentials {
  readonly token: string | undefined
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly serverName?: string }
}

/** Reads the token and TLS files as they are now; throws WEFT_REGISTRY_UNAVAILABLE naming the file. */
export async function readCredentials({ token, tokenFile, tls }: NomadSettings): Promise<Credentials> {
  const fromFile = (await readText(tokenFile))?.trim()
  if (fromFile === '') throw nomadError('credentials', 'the token file is empty', { file: tokenFile })
  const [ca, cert, key] = [await readText(tls.ca), await readText(tls.cert), await readText(tls.key)]
  return {
    token: fromFile ?? token,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && { cert }),
      ...(key !== undefined && { key }),
      ...(tls.serverName !== undefined && { serverName: tls.serverName }),
    },
  }
}

/** True when a connection made for the one does for the other: the token goes with each request. */
export function sameTls({ tls: a }: Credentials, { tls: b }: Credentials): boolean {
  return a.ca === b.ca && a.cert === b.cert && a.key === b.key
}

async function readText(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined
  try {
    return await readFile(file, 'utf8')
  } catch (cause) {
    throw nomadError('credentials', 'a file with credentials for nomad cannot be read', { file }, cause)
  }
}
