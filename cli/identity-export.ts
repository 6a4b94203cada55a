import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { promisify } from 'node:util'
import { decodePrivateKey } from '../mesh/identity/keys.ts'
import { encodePkcs12 } from '../mesh/identity/pkcs12.ts'
import { parseCertificate } from '../mesh/identity/x509.ts'
import { type Clock, sleep } from '../mesh/std/clock.ts'
import { describeError } from '../mesh/std/errors.ts'
import type { AgentClient } from './agent-client.ts'
import { type Owner, writeTogether } from './identity-files.ts'

/** What the agent says of an identity, PEM. */
interface HeldIdentity {
  readonly identity: string
  readonly key: string
  /** Leaf first. */
  readonly chain: string
  readonly roots: readonly string[]
}

export interface ExportOptions {
  /** `<namespace>/<service account>`. */
  readonly identity: string
  readonly directory: string
  readonly owner: Owner | undefined
  /** Of the PKCS#12 file; without one the files are PEM. */
  readonly passphrase: string | undefined
  /** Program with its arguments, run after each change. */
  readonly reload: readonly string[]
}

export interface ExportDeps {
  readonly clock: Clock
  readonly agent: AgentClient
  print(text: string): void
}

const intervalMs = 5_000
const reloadTimeoutMs = 60_000
const run = promisify(execFile)

/**
 * Makes the exporter of one identity: each call asks the agent and writes what is new, `tls.crt`, `tls.key` and `ca.crt`,
 * or `tls.p12` and `ca.crt`; then it runs the reload command. Throws the agent's refusal, and what writing fails with. A
 * reload that fails is told and tried again with the next call.
 */
export function createExporter({ agent, print }: ExportDeps, options: ExportOptions): () => Promise<void> {
  const { directory, owner, passphrase, reload } = options
  let written: string | undefined
  let reloaded = true
  return async () => {
    const held = await agent.post<HeldIdentity>('/identity', JSON.stringify({ identity: options.identity }))
    const fingerprint = createHash('sha256').update(JSON.stringify(held)).digest('hex')
    // PKCS#12 has another salt each time: what was written is known by what it was made of.
    if (fingerprint !== written) {
      const changed = await writeTogether(directory, filesOf(held, passphrase), owner)
      written = fingerprint
      if (changed) print(`${held.identity} is written to ${directory}`)
      reloaded &&= !changed
    }
    if (reloaded) return
    reloaded = reload.length === 0 || (await hasRun(reload, print))
  }
}

/** Exports until the signal aborts. What goes wrong is told when it changes, and tried again. */
export async function keepExported(deps: ExportDeps, options: ExportOptions, signal: AbortSignal): Promise<void> {
  const exportOnce = createExporter(deps, options)
  let problem = ''
  while (!signal.aborted) {
    try {
      await exportOnce()
      problem = ''
    } catch (error) {
      const said = describeError(error)
      if (said !== problem) deps.print(`not exported, the files stay as they are: ${said}`)
      problem = said
    }
    await sleep(deps.clock, intervalMs, signal).catch(() => {})
  }
}

function filesOf({ key, chain, roots }: HeldIdentity, passphrase: string | undefined) {
  const ca = roots.map(root => `${root.trimEnd()}\n`).join('')
  if (passphrase === undefined) return { 'tls.crt': chain, 'tls.key': key, 'ca.crt': ca }
  const certificates = (chain.match(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g) ?? []).map(
    pem => parseCertificate(pem).der,
  )
  const { privateKey } = decodePrivateKey(key)
  return { 'tls.p12': encodePkcs12({ privateKey, certificates, passphrase }), 'ca.crt': ca }
}

async function hasRun([file = '', ...args]: readonly string[], print: (text: string) => void): Promise<boolean> {
  try {
    await run(file, args, { timeout: reloadTimeoutMs })
    return true
  } catch (error) {
    print(`the reload command failed and is tried again: ${describeError(error)}`)
    return false
  }
}
