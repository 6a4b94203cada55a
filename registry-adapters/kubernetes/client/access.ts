import type { Cluster, User } from '@kubernetes/client-node'
import type { Clock } from '../../../mesh/std/clock.ts'
import type { KubernetesSettings } from '../options.ts'
import { kubernetesError } from './errors.ts'
import { type ExecCredential, execCredential } from './exec-credential.ts'
import { type ConfiguredCluster, loadInCluster, loadKubeconfig, readText } from './kubeconfig.ts'

/** Where the API server is and how to prove who asks: texts, not file names. */
export interface Access {
  readonly origin: string
  /** Path before that of every request, as clusters behind a common name have it; without a slash at its end. */
  readonly basePath: string
  readonly headers: Readonly<Record<string, string>>
  readonly tls: { readonly ca?: string; readonly cert?: string; readonly key?: string; readonly serverName?: string }
}

/** Reads {@link Access} anew at each call; an answer of a command is kept until it expires. */
export interface AccessReader {
  read(signal: AbortSignal): Promise<Access>
  /** The credentials were refused: a command's answer is not used again. */
  refused(): void
}

/** A command's answer that expires within this is not used any more. */
const expiryMarginMs = 10_000

/** Opens nothing yet; `root` is put before the files of a pod's service account. */
export function createAccessReader(settings: KubernetesSettings, clock: Clock, root = ''): AccessReader {
  const { kubeconfig, context, allowExec } = settings
  let kept: ExecCredential | undefined

  async function fromCommand(exec: unknown, file: string, signal: AbortSignal): Promise<ExecCredential> {
    if (!allowExec) {
      throw refusal('the kubeconfig names a command for its credentials, and such commands are not allowed', {
        next: 'set allowExec for this registry, or use a token or a certificate',
      })
    }
    if (kept === undefined || (kept.expiresAt ?? Number.POSITIVE_INFINITY) - clock.now() < expiryMarginMs) {
      kept = await execCredential(exec, file, clock, signal)
    }
    return kept
  }

  return {
    async read(signal) {
      const configured =
        kubeconfig === undefined ? await loadInCluster(root) : await loadKubeconfig(kubeconfig, context)
      const { user } = configured
      const exec = user?.exec
      const given = exec ? await fromCommand(exec, kubeconfig ?? '', signal) : undefined
      return toAccess(configured, given)
    },
    refused() {
      kept = undefined
    },
  }
}

async function toAccess(
  { cluster, user, tokenFile }: ConfiguredCluster,
  given: ExecCredential | undefined,
): Promise<Access> {
  const url = URL.canParse(cluster.server) ? new URL(cluster.server) : undefined
  if (url === undefined || (url.protocol !== 'https:' && url.protocol !== 'http:')) {
    throw refusal('the address of the cluster is no http or https URL', { server: cluster.server })
  }
  refuseUnsupported(cluster, user)
  const headers = await headersOf(user, tokenFile, given)
  const ca = await pemOf(cluster.caFile, cluster.caData)
  const cert = given?.cert ?? (await pemOf(user?.certFile, user?.certData))
  const key = given?.key ?? (await pemOf(user?.keyFile, user?.keyData))
  if (url.protocol === 'http:' && Object.keys(headers).length > 0) {
    throw refusal('credentials are not sent over plain http', { server: cluster.server })
  }
  return {
    origin: url.origin,
    basePath: url.pathname.replace(/\/+$/, ''),
    headers,
    tls: {
      ...(ca !== undefined && { ca }),
      ...(cert !== undefined && key !== undefined && { cert, key }),
      ...(cluster.tlsServerName && { serverName: cluster.tlsServerName }),
    },
  }
}

/** What the package would do and this adapter will not; refused by name rather than ignored. */
function refuseUnsupported(cluster: Cluster, user: User | undefined): void {
  if (cluster.skipTLSVerify && cluster.server.startsWith('https:')) {
    throw refusal("the kubeconfig does not check the API server's certificate", {
      next: 'give certificate-authority-data instead of insecure-skip-tls-verify',
    })
  }
  if (cluster.proxyUrl)
    throw refusal('the kubeconfig names a proxy, which is not supported', { next: 'remove proxy-url' })
  if (user?.authProvider) {
    throw refusal('the kubeconfig names an auth provider, which is not supported', {
      provider: user.authProvider.name,
      next: 'use a token, a certificate or an exec command',
    })
  }
}

async function headersOf(
  user: User | undefined,
  tokenFile: string | undefined,
  given: ExecCredential | undefined,
): Promise<Record<string, string>> {
  const headers: Record<string, string> = {}
  const fromFile = tokenFile === undefined ? undefined : (await readText(tokenFile, 'the token file')).trim()
  if (fromFile === '') throw refusal('the token file is empty', { file: tokenFile })
  const token = fromFile ?? given?.token ?? user?.token?.trim()
  if (token) headers.authorization = `Bearer ${token}`
  else if (user?.username) {
    headers.authorization = `Basic ${Buffer.from(`${user.username}:${user.password ?? ''}`).toString('base64')}`
  }
  if (user?.impersonateUser) headers['impersonate-user'] = user.impersonateUser
  return headers
}

async function pemOf(file: string | undefined, data: string | undefined): Promise<string | undefined> {
  if (data) return Buffer.from(data, 'base64').toString('utf8')
  return file ? await readText(file, 'a file of the kubeconfig') : undefined
}

function refusal(message: string, { next, ...fields }: { readonly next?: string } & Readonly<Record<string, unknown>>) {
  return kubernetesError('credentials', message, fields, next === undefined ? {} : { next })
}
