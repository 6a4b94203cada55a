import { readFileSync } from 'node:fs'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import { renameRootOfAdminToken } from '../admin-token.ts'
import type { ServerConfig } from '../config.ts'
import { openAuthority } from '../identity/authority.ts'
import { startServerCertificate } from '../server-certificate.ts'
import type { PartDeps } from './deps.ts'

/** Opens the authority, and starts to keep the certificate that this server presents itself. */
export async function startIdentity({ clock, random, log, started }: PartDeps, config: ServerConfig) {
  const { dataDir, trustDomain } = config
  const passphrase = readPassphrase(config.passphraseFile)
  const authority = await openAuthority(
    { dataDir, trustDomain, ...(passphrase === undefined ? {} : { passphrase }) },
    { clock, log },
  )
  const leafTtlMs = config.leafTtlSeconds * 1000
  const certificate = startServerCertificate(
    { authority, clock, random, log },
    { serverName: config.name, ttlMs: leafTtlMs },
  )
  started.add(() => certificate.stop())
  const renameRoot = () => {
    const error = renameRootOfAdminToken(dataDir, authority.rootHash)
    if (error !== undefined) log.warn('admin-token still names an earlier root', { error: describeError(error) })
  }
  renameRoot()
  started.add(authority.ca.state.subscribe(renameRoot))
  return { authority, leafTtlMs, credentials: certificate.credentials }
}

function readPassphrase(file: string): string | undefined {
  if (file === '') return undefined
  try {
    const passphrase = readFileSync(file, 'utf8').replace(/\r?\n$/, '')
    if (passphrase !== '') return passphrase
  } catch (cause) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'the passphrase file cannot be read', { fields: { file }, cause })
  }
  throw new MeshError('WEFT_CONFIG_INVALID', 'the passphrase file is empty', { fields: { file } })
}
