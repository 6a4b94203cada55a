import { statSync } from 'node:fs'
import { MeshError } from '../mesh/std/errors.ts'
import type { ServerConfig } from './config.ts'

/** Settings that name a file with a secret, wherever they stand. */
const secretSetting = /^(passphraseFile|tokenFile|keyFile|clientKeyFile|loginBearerTokenFile|kubeconfig)$/

/**
 * Throws WEFT_STATE_CORRUPT naming the first file with a secret, of all that settings name, which everybody on this
 * machine can read or write. Files that are not there are the affair of whoever reads them.
 */
export function refuseOpenSecrets(config: Pick<ServerConfig, 'passphraseFile' | 'registries' | 'attestors'>): void {
  for (const [setting, path] of secretFiles(config)) {
    const mode = statSync(path, { throwIfNoEntry: false })?.mode ?? 0
    if ((mode & 0o006) === 0) continue
    throw new MeshError('WEFT_STATE_CORRUPT', `${path} holds a secret and is open to everybody on this machine`, {
      fields: { setting, path, mode: (mode & 0o7777).toString(8) },
      next: `run chmod o-rw ${path}, and replace the secret if somebody may have read it`,
    })
  }
}

function secretFiles(settings: object): readonly (readonly [setting: string, path: string])[] {
  return Object.entries(settings).flatMap(([name, value]: [string, unknown]) => {
    if (typeof value === 'string') return value !== '' && secretSetting.test(name) ? [[name, value] as const] : []
    return typeof value === 'object' && value !== null ? secretFiles(value) : []
  })
}
