import { join } from 'node:path'
import type { Resource } from '../../mesh/resources/resource.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { ServerConfig } from '../config.ts'
import type { FetchText } from '../outbound-fetch.ts'
import { startTokenKeys, type TokenKeys } from '../policy/jwks.ts'
import { createKeyFile } from '../policy/key-file.ts'
import type { PartDeps } from './deps.ts'

export interface FollowTokenKeysDeps extends PartDeps {
  readonly resources: Watch<readonly Resource[]>
  readonly fetchText: FetchText
}

/** Starts following the keys that resources name; the last good ones are in the data directory. */
export function followTokenKeys(
  { clock, random, log, started, resources, fetchText }: FollowTokenKeysDeps,
  { dataDir }: Pick<ServerConfig, 'dataDir'>,
): TokenKeys {
  const file = createKeyFile(join(dataDir, 'token-keys.json'))
  const keys = startTokenKeys({ clock, random, log, resources, fetchText, file })
  started.add(() => keys.stop())
  return keys
}
