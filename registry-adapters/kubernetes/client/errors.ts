import { MeshError } from '../../../mesh/std/errors.ts'
import { objectOf, text } from '../../json.ts'
import { type Read, ruleOf, type Verb } from '../reads.ts'

/** Why the API server could not be read, for callers to switch on. */
export type KubernetesFailure =
  /** No connection, no answer in time, or it broke off. */
  | 'unreachable'
  /** The kubeconfig, or a file or command it names, gives no usable credentials. */
  | 'credentials'
  /** 401 or 403. */
  | 'denied'
  /** 410: the resource version, or the place in a list, is no longer known. */
  | 'expired'
  /** The cluster has no such resource. */
  | 'not-found'
  | 'rate-limited'
  /** Not what an API server would say. */
  | 'bad-answer'
  /** A state from before one that was seen already. */
  | 'older'
  /** Any other error that the API server reports. */
  | 'server'

/** What was asked, for messages. */
export interface Asked {
  readonly read: Read
  readonly verb: Verb
}

/** A WEFT_REGISTRY_UNAVAILABLE that carries its kind. */
export function kubernetesError(
  failure: KubernetesFailure,
  message: string,
  fields: Readonly<Record<string, unknown>> = {},
  options: { readonly cause?: unknown; readonly next?: string } = {},
): MeshError {
  return new MeshError('WEFT_REGISTRY_UNAVAILABLE', message, { fields: { failure, ...fields }, ...options })
}

/** True for a failure of that kind. */
export function isFailure(error: unknown, failure: KubernetesFailure): boolean {
  return error instanceof MeshError && error.fields.failure === failure
}

/** How an error names what was asked. */
export function about({ read, verb }: Asked): Readonly<Record<string, unknown>> {
  return { verb, read: read.name }
}

/** The error for an answer with another status than 200; `text` is a `Status` object as a rule. */
export function errorOfStatus(asked: Asked, status: number, text: string, retryAfter?: string): MeshError {
  return errorOfReport(asked, status, messageOf(text), retryAfter)
}

/** The error for a failure that the API server reports, with its own words. */
export function errorOfReport(asked: Asked, status: number, words: string, retryAfter?: string): MeshError {
  const said = words.replaceAll(/\s+/g, ' ').trim().slice(0, 200)
  const seconds = Number(retryAfter ?? Number.NaN)
  const fields = { ...about(asked), status, said, ...(seconds > 0 && { retryAfterMs: Math.min(seconds, 60) * 1000 }) }
  switch (status) {
    case 401:
      return kubernetesError('denied', 'kubernetes does not accept the credentials', fields, {
        next: 'check the token or certificate of the kubeconfig; tokens of service accounts expire',
      })
    case 403: {
      const missing = ruleOf(asked.read)
      return kubernetesError('denied', 'kubernetes does not allow it, a rule is missing', { missing, ...fields })
    }
    case 404:
      return kubernetesError('not-found', 'kubernetes does not know the resource', fields)
    case 410:
      return kubernetesError('expired', 'kubernetes no longer has that version', fields)
    case 429:
      return kubernetesError('rate-limited', 'kubernetes limits the rate of requests', fields)
    default:
      if (status < 400) return kubernetesError('bad-answer', 'kubernetes answers with a strange status', fields)
      return kubernetesError('server', 'kubernetes answers with an error', fields)
  }
}

function messageOf(body: string): string {
  try {
    return text(objectOf(JSON.parse(body)).message) || body
  } catch {
    // no JSON: what a proxy says, or a plain text
    return body
  }
}
