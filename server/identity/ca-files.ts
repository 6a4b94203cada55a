import { type KeyObject, randomBytes } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Issuer, issueCa, parseCertificate } from '../../mesh/identity/certificate.ts'
import {
  decodePrivateKey,
  encodePrivateKey,
  generateKeys,
  isEncrypted,
  type KeyPair,
  spkiHash,
} from '../../mesh/identity/keys.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { type CaState, formatCaState, type Generation, parseCaState } from './ca-state.ts'
import { flushFolder, readPrivateFile, writePrivateFile } from './files.ts'

/**
 * What the authority keeps in `<data directory>/ca`: of each generation two files with a key and its certificate, and
 * one with everything that changes in one piece.
 */
export interface CaFiles {
  readonly state: CaState
  /** By what is in the names of their files. */
  readonly generations: ReadonlyMap<string, Issuers>
}

/** The keys of a generation. */
export interface Issuers {
  /** PEM. */
  readonly root: string
  /** Absent where the root is the operator's own. */
  readonly rootKey?: KeyObject
  readonly issuing: Issuer
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

const stateFile = 'trust-bundle.json'
const pendingFile = 'pending.pem'

function namesOf(files: string) {
  const suffix = files === '' ? '' : `-${files}`
  return { root: `root${suffix}.pem`, issuing: `issuing${suffix}.pem` }
}

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
  const { root, issuing } = newIssuers(trustDomain, now)
  writeIssuers(folder, '', { root, issuing }, passphrase)
  const roots = [root.certificatePem]
  const current = { files: '', root: root.certificatePem }
  const state = { trustDomain, sequence: 1, roots, current, former: [], history: [], bans: [] }
  writePrivateFile(join(folder, stateFile), formatCaState(state))
  renameSync(folder, join(dataDir, 'ca'))
  flushFolder(dataDir)
}

/** Makes a further root with its issuing certificate; nobody hears of it before it is in the state. */
export function createGeneration(options: CaOptions): Issuers & { readonly files: string } {
  const { root, issuing } = newIssuers(options.trustDomain, options.now)
  const files = spkiHash(root.certificatePem).slice(0, 16)
  writeIssuers(join(options.dataDir, 'ca'), files, { root, issuing }, options.passphrase)
  return { root: root.certificatePem, rootKey: root.privateKey, issuing, files }
}

/** Keeps an issuing certificate that somebody else has signed; nobody hears of it before it is in the state. */
export function keepSupplied({ dataDir, passphrase }: CaOptions, issuing: Issuer): string {
  const files = spkiHash(issuing.certificatePem).slice(0, 16)
  writeIssuer(join(dataDir, 'ca', namesOf(files).issuing), issuing, passphrase)
  return files
}

/** The key that a certificate has been asked for and not come yet, made at the first call. */
export function pendingKeys({ dataDir, passphrase }: CaOptions): KeyPair {
  const path = join(dataDir, 'ca', pendingFile)
  if (existsSync(path)) return decodePrivateKey(readPrivateFile(path), passphrase)
  const keys = generateKeys()
  writePrivateFile(path, encodePrivateKey(keys.privateKey, passphrase))
  return keys
}

/** Forgets that key: its certificate is in use. */
export function forgetPending(dataDir: string): void {
  rmSync(join(dataDir, 'ca', pendingFile), { force: true })
}

/** Replaces the state in one step. Throws WEFT_STORE when it cannot be written; the old one then stays. */
export function writeState(dataDir: string, state: CaState): void {
  const path = join(dataDir, 'ca', stateFile)
  try {
    writePrivateFile(path, formatCaState(state))
  } catch (cause) {
    throw new MeshError('WEFT_STORE', 'state of the authority cannot be written', { fields: { path }, cause })
  }
}

/** Removes the keys of generations that the state does not name: of a rotation that is over, or that never began. */
export function removeUnused(dataDir: string, { current, rotation }: CaState): void {
  const folder = join(dataDir, 'ca')
  const used = [current, ...(rotation === undefined ? [] : [rotation.from, rotation.to])]
  const names = new Set(used.flatMap(({ files }) => Object.values(namesOf(files))))
  for (const name of readdirSync(folder)) {
    if (/^(root|issuing)(-[0-9a-f]{16})?\.pem$/.test(name) && !names.has(name)) rmSync(join(folder, name))
  }
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
  const state = readState(join(folder, stateFile))
  const { current, rotation } = state
  const used = [current, ...(rotation === undefined ? [] : [rotation.from, rotation.to])]
  const generations = new Map(used.map(one => [one.files, readIssuers(folder, one, options)] as const))
  if (state.trustDomain !== options.trustDomain) {
    throw new MeshError('WEFT_CONFIG_INVALID', 'authority in the data directory is of another trust domain', {
      fields: { path: folder, configured: options.trustDomain, found: state.trustDomain },
      next: 'configure the trust domain it was made for, or another data directory',
    })
  }
  return { state, generations }
}

/** Replaces the issuing key and certificate by new ones and returns them; the old ones stay valid until they expire. */
export function renewIssuing(root: Issuer, files: string, options: CaOptions): Issuer {
  const { dataDir, trustDomain, passphrase, now } = options
  const issuing = newIssuing(root, trustDomain, now)
  writeIssuer(join(dataDir, 'ca', namesOf(files).issuing), issuing, passphrase)
  return issuing
}

interface OwnIssuers {
  readonly root: Issuer
  readonly issuing: Issuer
}

function newIssuers(trustDomain: string, now: number): OwnIssuers {
  const keys = generateKeys()
  const validity = { notBefore: now - backdateMs, notAfter: now + rootLifeMs }
  const root: Issuer = { certificatePem: issueCa({ trustDomain, keys, ...validity }), privateKey: keys.privateKey }
  return { root, issuing: newIssuing(root, trustDomain, now) }
}

function writeIssuers(
  folder: string,
  files: string,
  { root, issuing }: OwnIssuers,
  passphrase: string | undefined,
): void {
  writeIssuer(join(folder, namesOf(files).root), root, passphrase)
  writeIssuer(join(folder, namesOf(files).issuing), issuing, passphrase)
}

function readIssuers(folder: string, { files, root, above }: Generation, options: CaOptions): Issuers {
  const names = namesOf(files)
  const readIssuing = () => readIssuer(join(folder, names.issuing), options)
  if (above !== undefined) return { root, issuing: readIssuing() }
  const own = readIssuer(join(folder, names.root), options)
  return { root: own.certificatePem, rootKey: own.privateKey, issuing: readIssuing() }
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

function readState(path: string): CaState {
  try {
    return parseCaState(readPrivateFile(path))
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
