/** What a host signs with the key of its certificate, when it joins by that. */
export interface Possession {
  readonly trustDomain: string
  readonly node: string
  /** SHA-256 of the public key (SPKI) that the host joins with, hex. */
  readonly keyHash: string
  /** As the server gave it. */
  readonly challenge: string
}

/** The bytes to sign: each part is of a form that has no line ends, so that no two possessions have the same. */
export function possessionText({ trustDomain, node, keyHash, challenge }: Possession): Buffer {
  return Buffer.from(['weft join by certificate', trustDomain, node, keyHash, challenge].join('\n'), 'utf8')
}
