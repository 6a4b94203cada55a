import { crossSign, type Issuer, parseCertificate } from '../../mesh/identity/certificate.ts'
import { checkSignedBy, checkValidity } from '../../mesh/identity/verify.ts'
import type { Clock } from '../../mesh/std/clock.ts'
import { describeError, MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import {
  type CaOptions,
  createCa,
  createGeneration,
  hasCa,
  type Issuers,
  loadCa,
  removeUnused,
  renewIssuing,
  writeState,
} from './ca-files.ts'
import { type CaState, type Generation, signingGeneration } from './ca-state.ts'

/** Keys and state of the authority. What changes is on disk before anybody sees it. */
export interface Ca {
  readonly state: Watch<CaState>
  /** Replaces the state, and removes keys that it names no more. Throws WEFT_STORE; the old one then stays. */
  change(next: CaState): void
  /** Makes keys for another root. It counts for nothing before a state names it. Throws WEFT_STORE. */
  prepare(): { readonly generation: Generation; readonly cross: string }
  /** The root that signs now, and its issuing certificate, replaced at half of its life. */
  signing(): Issuers
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

  const signing = (): Issuers => {
    const { files } = signingGeneration(state.value)
    const held = generations.get(files)
    if (held === undefined) throw new MeshError('WEFT_STATE_CORRUPT', 'keys of the authority are gone')
    const { notBefore, notAfter } = parseCertificate(held.issuing.certificatePem)
    if (clock.now() <= (notBefore + notAfter) / 2) return held
    const previousNotAfter = new Date(notAfter).toISOString()
    try {
      const renewed = { root: held.root, issuing: renewIssuing(held.root, files, at()) }
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

  return {
    state,
    signing,
    change(next) {
      writeState(options.dataDir, next)
      state.set(next)
      removeUnused(options.dataDir, next)
    },
    prepare() {
      const { files, root, issuing } = store(() => createGeneration(at()), options.dataDir)
      generations.set(files, { root, issuing })
      const cross = crossSign(root.certificatePem, signing().root)
      return { generation: { files, root: root.certificatePem }, cross }
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
function checkOwnChain({ root, issuing }: { root: Issuer; issuing: Issuer }, state: CaState, now: number): void {
  const [below, above] = [parseCertificate(issuing.certificatePem), parseCertificate(root.certificatePem)]
  checkValidity(above, now)
  checkValidity(below, now)
  checkSignedBy(below, above, 0)
  if (!state.roots.includes(root.certificatePem)) {
    throw new MeshError('WEFT_STATE_CORRUPT', 'root is not in the trust bundle', {
      next: 'restore the folder ca of the data directory from a backup',
    })
  }
}
