import { createRanges } from '../../mesh/std/ip-ranges.ts'

/** Where no endpoint can be: every host's own, nobody's, everybody's (RFC 6890), and what clouds keep for themselves. */
const forbidden = [
  '0.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '224.0.0.0/4',
  '255.255.255.255/32',
  '::/127',
  'fe80::/10',
  'ff00::/8',
  'fd00:ec2::254/128',
]

/** Whether an address that DNS says may be an endpoint's: neither one of these nor one of the mesh's own virtual ones. */
export function endpointFilter(virtualIpRanges: readonly string[]): (address: string) => boolean {
  const ranges = createRanges([...forbidden, ...virtualIpRanges])
  return address => !ranges.has(address)
}
