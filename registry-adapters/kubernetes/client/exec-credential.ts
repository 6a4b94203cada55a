import { execFile } from 'node:child_process'
import { dirname, isAbsolute, join } from 'node:path'
import { promisify } from 'node:util'
import type { Clock } from '../../../mesh/std/clock.ts'
import { isObject, items, objectOf, strings, text } from '../../json.ts'
import { kubernetesError } from './errors.ts'

/** What a command gave: a token, a certificate with its key, or both. */
export interface ExecCredential {
  readonly token?: string
  readonly cert?: string
  readonly key?: string
  /** When it has to be asked again, in milliseconds since 1970; for good when absent. */
  readonly expiresAt?: number
}

const run = promisify(execFile)
const defaultVersion = 'client.authentication.k8s.io/v1'
const maxOutputBytes = 1 << 20
const answerMs = 30_000

/**
 * Runs the command of a kubeconfig's `exec` section and reads the ExecCredential it prints ("client-go credential
 * plugins" in Kubernetes' documentation). The command gets no input and 30 seconds. A relative path counts from the
 * kubeconfig's folder. Throws WEFT_REGISTRY_UNAVAILABLE; what the command prints is in no message, as it may be secret.
 */
export async function execCredential(
  exec: unknown,
  kubeconfig: string,
  clock: Clock,
  signal: AbortSignal,
): Promise<ExecCredential> {
  const spec = objectOf(exec)
  const command = text(spec.command)
  if (command === '') throw failed('the kubeconfig names no command for its credentials', {})
  const file = command.includes('/') && !isAbsolute(command) ? join(dirname(kubeconfig), command) : command
  const apiVersion = text(spec.apiVersion) || defaultVersion
  const info = { apiVersion, kind: 'ExecCredential', spec: { interactive: false } }
  const more = items(spec.env)
    .filter(isObject)
    .map(one => [text(one.name), text(one.value)])
  const env = { ...process.env, ...Object.fromEntries(more), KUBERNETES_EXEC_INFO: JSON.stringify(info) }
  const ending = new AbortController()
  const end = () => ending.abort()
  const timer = clock.timer(answerMs, end)
  signal.addEventListener('abort', end, { once: true })
  if (signal.aborted) end()
  try {
    const running = run(file, [...strings(spec.args)], {
      env,
      signal: ending.signal,
      maxBuffer: maxOutputBytes,
      killSignal: 'SIGKILL',
    })
    running.child.stdin?.end()
    return credentialIn((await running).stdout, command)
  } catch (error) {
    if (error instanceof SyntaxError) throw failed('the command for the credentials printed no json', { command })
    const reason = ending.signal.aborted ? 'did not end in time' : codeOf(error)
    throw reason === undefined ? error : failed('the command for the credentials failed', { command, reason })
  } finally {
    timer.cancel()
    signal.removeEventListener('abort', end)
  }
}

function credentialIn(output: string, command: string): ExecCredential {
  const parsed: unknown = JSON.parse(output)
  const status = objectOf(isObject(parsed) && parsed.kind === 'ExecCredential' ? parsed.status : undefined)
  const token = text(status.token)
  const cert = text(status.clientCertificateData)
  const key = text(status.clientKeyData)
  const expiresAt = Date.parse(text(status.expirationTimestamp))
  if (token === '' && (cert === '' || key === '')) {
    throw failed('the command for the credentials gave neither a token nor a certificate with its key', { command })
  }
  return {
    ...(token !== '' && { token }),
    ...(cert !== '' && key !== '' && { cert, key }),
    ...(!Number.isNaN(expiresAt) && { expiresAt }),
  }
}

/** An exit status, or the name of a system error; undefined for an error of ours. */
function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error) || !('code' in error) || error.name === 'MeshError') return undefined
  return typeof error.code === 'number' ? `exit status ${error.code}` : String(error.code)
}

function failed(message: string, fields: Readonly<Record<string, unknown>>) {
  return kubernetesError('credentials', message, fields)
}
