import { lookup } from 'node:dns/promises'
import { readFileSync } from 'node:fs'
import { networkInterfaces } from 'node:os'
import { getCACertificates } from 'node:tls'
import { MeshError } from '../../mesh/std/errors.ts'
import type { ServerConfig } from '../config.ts'
import { createFetchText, type FetchText } from '../outbound-fetch.ts'
import { createOutboundUrls } from '../outbound-url.ts'
import type { PartDeps } from './deps.ts'

/** What fetches the URLs of resources, as the settings allow. Throws WEFT_CONFIG_INVALID for a file that cannot be read. */
export function createOutboundFetch(
  { clock }: Pick<PartDeps, 'clock'>,
  { outboundUrls, listen }: Pick<ServerConfig, 'outboundUrls' | 'listen'>,
): FetchText {
  const { allow, authoritiesFile } = outboundUrls
  const ports = new Set([listen.websocketPort, listen.grpcPort, listen.apiPort, listen.metricsPort])
  const urls = createOutboundUrls({
    allow,
    lookup: async host => (await lookup(host, { all: true })).map(({ address }) => address),
    isOwn: (address, port) => ports.has(port) && ownAddresses().has(address),
  })
  const authorities =
    authoritiesFile === '' ? undefined : [...getCACertificates('default'), readAuthorities(authoritiesFile)]
  return createFetchText({ urls, clock, authorities })
}

/** Asked each time: addresses come and go. */
function ownAddresses(): ReadonlySet<string> {
  const all = Object.values(networkInterfaces()).flatMap(list => list ?? [])
  return new Set(all.map(({ address }) => address))
}

function readAuthorities(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'outboundUrls.authoritiesFile cannot be read', {
      fields: { file },
      cause,
    })
  }
}
