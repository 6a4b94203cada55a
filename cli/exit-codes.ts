import { MeshError } from '../mesh/std/errors.ts'

/** What the `weft` command's exit status means; docs/reference/cli.md lists the same. */
export const exitCodes = {
  /** Done. */
  ok: 0,
  /** It failed; the message says why. */
  failed: 1,
  /** The command line, a file or a setting is wrong; nothing was done. */
  usage: 2,
  /** What was named does not exist. */
  notFound: 3,
  /** The server, or the agent of this host, cannot be reached or is not the one expected. */
  unreachable: 4,
  /** The server knows no such token, or the token may not do this, or a join token is no good. */
  unauthenticated: 5,
  /** Nothing was done: callers that were seen would be cut off. */
  cutsCallers: 6,
} as const

/** The exit status for an error. */
export function exitCodeOf(error: unknown): number {
  if (!(error instanceof MeshError)) return exitCodes.failed
  switch (error.code) {
    case 'WEFT_USAGE':
    case 'WEFT_CONFIG_INVALID':
    case 'WEFT_RESOURCE_INVALID':
    case 'WEFT_RESOURCE_CONFLICT':
    case 'WEFT_SPIFFE_ID':
    case 'WEFT_REGISTRATION_INVALID':
      return exitCodes.usage
    case 'WEFT_NOT_FOUND':
      return exitCodes.notFound
    case 'WEFT_SERVER_UNREACHABLE':
    case 'WEFT_SERVER_UNTRUSTED':
    case 'WEFT_AGENT_UNREACHABLE':
      return exitCodes.unreachable
    case 'WEFT_UNAUTHENTICATED':
    case 'WEFT_TOKEN_REFUSED':
    case 'WEFT_EVIDENCE_REFUSED':
    case 'WEFT_FORBIDDEN':
      return exitCodes.unauthenticated
    case 'WEFT_CUTS_CALLERS':
      return exitCodes.cutsCallers
    default:
      return exitCodes.failed
  }
}
