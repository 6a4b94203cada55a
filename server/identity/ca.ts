import { crossSign, parseCertificate } from '../../mesh/identity/certificate.ts'
import { type KeyPair, spkiHash } from '../../mesh/identity/keys.ts'
import { checkSignedBy, checkValidity } from '../../mesh/identity/verify.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import {
  type CaOptions,
  createCa,
  createGeneration,
  forgetPending,
  hasCa,
  type Issuers,
  keepSupplied,
  loadCa,
  pendingKeys,
  removeUnused,
  renewIssuing,
  writeState,
} from './ca-files.ts'
import { type CaState, type Generation, signingGeneration } from './ca-state.ts'
import { readSupplied } from './supplied.ts'

/** Keys and state of the authority. What changes is on disk before anybody sees it. */
export interface Ca {
  readonly state: Watch<CaState>
  /** Replaces the state, and removes keys that it names no more. Throws WEFT_STORE; the old one then stays. */
  change(next: CaState): void
  /** Makes keys for another root. It counts for nothing before a state names it. Throws WEFT_STORE. */
  prepare(): NextGeneration
  /** The key that the operator's own authority is asked to certify, and the name that it asks for. */
  pending(): { readonly keys: KeyPair; readonly commonName: string }
  /**
   * Takes a chain (PEM) that ends in the operator's own root, for the pending key. It counts for nothing before a state
   * names it. Throws WEFT_CERTIFICATE_REFUSED for what could not issue certificates that agents believe.
   */
  adopt(chain: string): NextGeneration
  /** The root that signs now, and its issuing certificate, replaced at half of its life. */
  signing(): Issuers
}

/** A generation that no state names yet, with its root certified by the present one where that has its key here. */
export interface NextGeneration {
  readonly generation: Generation
  /** PEM. */
  readonly cross?: string
}

export interface CaDeps {
  readonly clock: Clock
  readonly log: Log
}

/** Opens the authority of a data directory, made at the first start. Throws like {@link loadCa}. */
export function openCa(options: Omit<CaOptions, 'now'>, { clock, log }: CaDeps): Ca {
  const at = (): CaOptions => ({ ...options, now: clock.now() })
  if (!hasCa(options.dataDir)) {
    create(at())
    log.info('certificate authority created', { trustDomain: options.trustDomain })
  }
  const loaded = loadCa(at())
  const state = new Watch(loaded.state)
  const generations = new Map(loaded.generations)
  removeUnused(options.dataDir, loaded.state)
  let adopted: string | undefined

  const signing = (): Issuers => {
    const { files } = signingGeneration(state.value)
    const held = generations.get(files)
    if (held === undefined) throw new MeshError('WEFT_STATE_CORRUPT', 'keys of the authority are gone')
    const { notBefore, notAfter } = parseCertificate(held.issuing.certificatePem)
    if (held.rootKey === undefined || clock.now() <= (notBefore + notAfter) / 2) return held
    const root = { certificatePem: held.root, privateKey: held.rootKey }
    const previousNotAfter = new Date(notAfter).toISOString()
    try {
      const renewed = { ...held, issuing: renewIssuing(root, files, at()) }
      generations.set(files, renewed)
      log.info('issuing certificate renewed', { previousNotAfter })
      return renewed
    } catch (error) {
      const fields = { notAfter: previousNotAfter, error: describeError(error) }
      log.error('issuing certificate cannot be renewed, the old one stays in use', fields)
      return held
    }
  }
  checkOwnChain(signing(), state.value, clock.now())

  const certifiedByPresent = (root: string): string | undefined => {
    const { root: certificatePem, rootKey } = signing()
    return rootKey === undefined ? undefined : crossSign(root, { certificatePem, privateKey: rootKey })
  }
  const next = (generation: Generation, issuers: Issuers): NextGeneration => {
    generations.set(generation.files, issuers)
    const isSame = spkiHash(generation.root) === spkiHash(signingGeneration(state.value).root)
    const cross = isSame ? undefined : certifiedByPresent(generation.root)
    return { generation, ...(cross !== undefined && { cross }) }
  }

  return {
    state,
    signing,
    change(wanted) {
      writeState(options.dataDir, wanted)
      state.set(wanted)
      removeUnused(options.dataDir, wanted)
      if ((wanted.rotation?.to ?? wanted.current).files === adopted) forgetPending(options.dataDir)
    },
    prepare() {
      const { files, ...issuers } = store(() => createGeneration(at()), options.dataDir)
      return next({ files, root: issuers.root }, issuers)
    },
    pending() {
      const keys = store(() => pendingKeys(at()), options.dataDir)
      return { keys, commonName: `weft issuing ${options.trustDomain}` }
    },
    adopt(chain) {
      const { privateKey } = store(() => pendingKeys(at()), options.dataDir)
      const supplied = readSupplied(chain, { privateKey, trustDomain: options.trustDomain, now: clock.now() })
      const { root, above, issuing } = supplied
      adopted = store(() => keepSupplied(at(), issuing), options.dataDir)
      return next({ files: adopted, root, above }, { root, issuing })
    },
  }
}

function create(options: CaOptions): void {
  store(() => createCa(options), options.dataDir)
}

function store<T>(write: () => T, dataDir: string): T {
  try {
    return write()
  } catch (cause) {
    if (cause instanceof MeshError) throw cause
    throw new MeshError('WEFT_STORE', 'certificate authority cannot be written', { fields: { dataDir }, cause })
  }
}

/** What agents will check, checked first: a server with a wrong clock or a foreign file must not hand anything out. */
function checkOwnChain({ root, issuing }: Issuers, state: CaState, now: number): void {
  const { above = [] } = signingGeneration(state)
  const chain = [issuing.certificatePem, ...above, root].map(pem => parseCertificate(pem))
  for (const certificate of chain.toReversed()) checkValidity(certificate, now)
  for (const [at, certificate] of chain.entries()) {
    const issuer = chain[at + 1]
    if (issuer !== undefined) checkSignedBy(certificate, issuer, at)
  }
  if (!state.roots.includes(root)) {
    throw new MeshError('WEFT_STATE_CORRUPT', 'root is not in the trust bundle', {
      next: 'restore the folder ca of the data directory from a backup',
    })
  }
}
