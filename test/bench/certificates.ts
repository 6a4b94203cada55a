import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { testAuthority } from '../support/authority.ts'

/** Who the two proxies are, for those that check it. */
export const identities = {
  a: 'spiffe://mesh.local/ns/default/sa/a',
  b: 'spiffe://mesh.local/ns/default/sa/b',
} as const

/**
 * Writes P-256 certificates made as Weft makes its own: `a.pem`, `a.key`, `b.pem`, `b.key`, both in one file as
 * HAProxy wants them (`a.both.pem`), and the root `ca.pem`. World-readable: workers give up root.
 */
export function writeCertificates(directory: string, now: number): void {
  const authority = testAuthority(now, 'mesh.local')
  const write = (name: string, text: string) => writeFileSync(join(directory, name), text, { mode: 0o644 })
  write('ca.pem', authority.root)
  for (const [name, identity] of Object.entries(identities)) {
    const { key, chain } = authority.issue(identity, { notBefore: now - 60_000, notAfter: now + 24 * 3_600_000 })
    write(`${name}.pem`, chain)
    write(`${name}.key`, key)
    write(`${name}.both.pem`, chain + key)
  }
}
