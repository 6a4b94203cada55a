import { type KeyObject, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Issuer, issueCa, parseCertificate } from '../../mesh/identity/certificate.ts'
import { decodePrivateKey, encodePrivateKey, generateKeys, isEncrypted, spkiHash } from '../../mesh/identity/keys.ts'
import type { TrustBundle } from '../../mesh/identity/trust-bundle.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { flushFolder, readPrivateFile, writePrivateFile } from './files.ts'

/** What the authority keeps in `<data directory>/ca`: two files with a key and its certificate, and the bundle. */
export interface CaFiles {
  readonly root: Issuer
  readonly issuing: Issuer
  readonly bundle: TrustBundle
}

export interface CaOptions {
  readonly dataDir: string
  readonly trustDomain: string
  /** Encrypts the private keys. */
  readonly passphrase?: string
  /** Milliseconds since 1970. */
  readonly now: number
}

const day = 24 * 3_600_000
const rootLifeMs = 3650 * day
const issuingLifeMs = 365 * day
/** CA certificates begin a little earlier, for hosts whose clocks are behind. */
const backdateMs = 3_600_000

const names = { root: 'root.pem', issuing: 'issuing.pem', bundle: 'trust-bundle.json' } as const

/** True when there is an authority in the data directory. */
export function hasCa(dataDir: string): boolean {
  return existsSync(join(dataDir, 'ca'))
}

/**
 * Makes a new root and issuing certificate. The folder appears whole or not at all: what a crash left of an earlier
 * try was never used and is removed.
 */
export function createCa(options: CaOptions): void {
  const { dataDir, trustDomain, passphrase, now } = options
  mkdirSync(dataDir, { recursive: true, mode: 0o700 })
  for (const name of readdirSync(dataDir)) {
    if (name.startsWith('.ca-')) rmSync(join(dataDir, name), { recursive: true })
  }
  const folder = join(dataDir, `.ca-${randomBytes(6).toString('hex')}`)
  mkdirSync(folder, { mode: 0o700 })
  const keys = generateKeys()
  const validity = { notBefore: now - backdateMs, notAfter: now + rootLifeMs }
  const root: Issuer = { certificatePem: issueCa({ trustDomain, keys, ...validity }), privateKey: keys.privateKey }
  writeIssuer(join(folder, names.root), root, passphrase)
  writeIssuer(join(folder, names.issuing), newIssuing(root, trustDomain, now), passphrase)
  const bundle: TrustBundle = { trustDomain, sequence: 1, roots: [root.certificatePem] }
  writePrivateFile(join(folder, names.bundle), `${JSON.stringify(bundle, undefined, 2)}\n`)
  renameSync(folder, join(dataDir, 'ca'))
  flushFolder(dataDir)
}

/**
 * Reads the authority. Throws WEFT_STATE_CORRUPT when a file is missing, malformed, readable by others or cannot be
 * decrypted, or the certificates do not belong to the keys; WEFT_CONFIG_INVALID when it is of another trust domain.
 */
export function loadCa(options: CaOptions): CaFiles {
  const folder = join(options.dataDir, 'ca')
  if ((statSync(folder).mode & 0o022) !== 0) {
    throw new MeshError('WEFT_STATE_CORRUPT', 'folder of the authority can be changed by others', {
      fields: { path: folder },
      next: 'chmod 700 it',
    })
  }
  const root = readIssuer(join(folder, names.root), options)
  const issuing = readIssuer(join(folder, names.issuing), options)
  const bundle = readBundle(join(folder, names.bundle))
  if (bundle.trustDomain !== options.trustDomain) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'authority in the data directory is of another trust domain', {
      fields: { path: folder, configured: options.trustDomain, found: bundle.trustDomain },
      next: 'configure the trust domain it was made for, or another data directory',
    })
  }
  return { root, issuing, bundle }
}

/** Replaces the issuing key and certificate by new ones and returns them; the old ones stay valid until they expire. */
export function renewIssuing(root: Issuer, { dataDir, trustDomain, passphrase, now }: CaOptions): Issuer {
  const issuing = newIssuing(root, trustDomain, now)
  writeIssuer(join(dataDir, 'ca', names.issuing), issuing, passphrase)
  return issuing
}

function newIssuing(root: Issuer, trustDomain: string, now: number): Issuer {
  const keys = generateKeys()
  const validity = { notBefore: now - backdateMs, notAfter: now + issuingLifeMs }
  return { certificatePem: issueCa({ trustDomain, keys, issuer: root, ...validity }), privateKey: keys.privateKey }
}

/** Key and certificate share a file, so that no crash can leave one without the other. */
function writeIssuer(path: string, issuer: Issuer, passphrase: string | undefined): void {
  try {
    writePrivateFile(path, encodePrivateKey(issuer.privateKey, passphrase) + issuer.certificatePem)
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'key file of the authority cannot be written', { fields: { path }, cause })
  }
}

function readIssuer(path: string, { passphrase }: CaOptions): Issuer {
  const content = readPrivateFile(path)
  const split = content.indexOf('-----BEGIN CERTIFICATE-----')
  const [keyPem, certificatePem] = [content.slice(0, split), content.slice(split)]
  const issuer = { certificatePem, privateKey: readKeyOf(certificatePem, keyPem, passphrase, path) }
  // A passphrase that is configured later takes effect, instead of only seeming to.
  if (passphrase !== undefined && !isEncrypted(keyPem)) writeIssuer(path, issuer, passphrase)
  return issuer
}

function readKeyOf(certificatePem: string, keyPem: string, passphrase: string | undefined, path: string): KeyObject {
  try {
    const { privateKey, publicKey } = decodePrivateKey(keyPem, passphrase)
    if (!parseCertificate(certificatePem).isCa || spkiHash(certificatePem) !== spkiHash(publicKey)) {
      throw new MeshError('WEFT_STATE_CORRUPT', 'certificate does not belong to the private key')
    }
    return privateKey
  } catch (cause) {
    throw corrupt(path, cause)
  }
}

function readBundle(path: string): TrustBundle {
  try {
    const value: unknown = JSON.parse(readPrivateFile(path))
    const { trustDomain, sequence, roots } = value as Partial<Record<keyof TrustBundle, unknown>>
    if (typeof trustDomain !== 'string' || !Number.isSafeInteger(sequence) || !Array.isArray(roots)) {
      throw new TypeError('fields are missing')
    }
    for (const root of roots) parseCertificate(String(root))
    return Object.freeze({ trustDomain, sequence: Number(sequence), roots: Object.freeze(roots.map(String)) })
  } catch (cause) {
    throw corrupt(path, cause)
  }
}

function corrupt(path: string, cause: unknown): MeshError {
  // What is wrong comes first in the sentence an operator sees; the path alone would not say it.
  const reason = cause instanceof MeshError ? cause : undefined
  return new MeshError('WEFT_STATE_CORRUPT', reason?.message ?? 'file of the authority is malformed', {
    fields: { ...reason?.fields, path },
    next: reason?.next ?? 'restore the folder ca of the data directory from a backup',
    cause,
  })
}
