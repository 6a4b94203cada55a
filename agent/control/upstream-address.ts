import { isIP } from 'node:net'

/** A name server. */
export interface UpstreamAddress {
  readonly host: string
  readonly port: number
}

/** Reads `1.1.1.1`, `1.1.1.1:53`, `fd00::53` or `[fd00::53]:53`; throws a TypeError for anything else. */
export function parseUpstream(text: string): UpstreamAddress {
  const match = /^(?:\[(?<v6>[^\]]+)\]|(?<v4>[^:]+)):(?<port>\d{1,5})$/.exec(text)
  const host = match?.groups?.v6 ?? match?.groups?.v4 ?? text
  const port = match === null ? 53 : Number(match.groups?.port)
  if (isIP(host) === 0 || host.includes('%') || port < 1 || port > 65535) {
    throw new TypeError(`${text} is no address of a name server`)
  }
  return { host, port }
}
