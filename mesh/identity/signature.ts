/** Signature algorithms of the mesh: ECDSA with SHA-2 (RFC 5758 section 3.2), by hash name. */
export const signatureOids = {
  sha256: '1.2.840.10045.4.3.2',
  sha384: '1.2.840.10045.4.3.3',
} as const

/** The hash for each signature algorithm; anything not in here is refused. */
export const signatureHashes: ReadonlyMap<string, string> = new Map([
  [signatureOids.sha256, 'sha256'],
  [signatureOids.sha384, 'sha384'],
])
