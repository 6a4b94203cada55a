import { z } from 'zod'
import { headerFormatProblem } from '../routing/header-format.ts'
import { refuseKey } from './primitives.ts'

/** Changes of headers, after Istio's ValidateHTTPHeader* and Envoy's header formatter. */

const token = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/
/** What may be matched besides names of headers. */
const pseudoHeaders = new Set([':method', ':path', ':authority', ':scheme', ':status'])
const authorityNames = new Set([':authority', 'host'])

/** True for a field name of HTTP (RFC 9110, 5.1). */
export function isHeaderName(text: string): boolean {
  return token.test(text)
}

/** True for what a match may name: a header or one of HTTP/2's pseudo-headers. */
export function isMatchableHeader(text: string): boolean {
  return isHeaderName(text) || pseudoHeaders.has(text)
}

/** The name of a header. */
export const headerName = z.string().refine(isHeaderName, 'is not the name of a header')

const headerValue = z.string().superRefine((text, context) => {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
  if (/[\0-\x08\x0a-\x1f\x7f]/.test(text)) {
    return context.addIssue({ code: 'custom', message: 'has a character that no header may have' })
  }
  if (!areCommandsClosed(text)) {
    return context.addIssue({
      code: 'custom',
      message: 'has a % that begins no command such as %REQ(x)%; write %% for a percent sign',
    })
  }
  // Istio takes any name of a command, and Envoy then refuses the whole route.
  const problem = headerFormatProblem(text)
  if (problem !== undefined) context.addIssue({ code: 'custom', message: problem })
})

function written(side: 'request' | 'response') {
  return z.record(z.string(), headerValue).superRefine((headers, context) => {
    for (const name of Object.keys(headers)) {
      if (side === 'request' && authorityNames.has(name.toLowerCase())) continue
      const message = reserved(name)
      if (message !== undefined) refuseKey(context, name, message)
      else if (!isHeaderName(name)) refuseKey(context, name, 'is not the name of a header')
    }
  })
}

const removed = z.array(
  z.string().superRefine((name, context) => {
    const message = name === '' ? 'is empty' : reserved(name)
    if (message !== undefined) context.addIssue({ code: 'custom', message })
  }),
)

function reserved(name: string): string | undefined {
  if (name.toLowerCase() === 'host') return 'cannot be changed here'
  return name.startsWith(':') ? 'is no header, but a part of the request or status line' : undefined
}

function operations(side: 'request' | 'response') {
  return z.strictObject({
    set: written(side).optional(),
    add: written(side).optional(),
    remove: removed.optional(),
  })
}

/** What is done to the headers of requests and responses. */
export const headers = z.strictObject({
  request: operations('request').optional(),
  response: operations('response').optional(),
})

/** Refuses a route that says more than once what the host shall be. */
export function checkAuthority(
  route: {
    readonly rewrite?: { readonly authority?: string | undefined } | undefined
    readonly headers?: z.infer<typeof headers> | undefined
  },
  context: z.RefinementCtx,
): void {
  const { set = {}, add = {} } = route.headers?.request ?? {}
  const names = [...Object.keys(set), ...Object.keys(add)].filter(name => authorityNames.has(name.toLowerCase()))
  const times = names.length + (route.rewrite?.authority === undefined || route.rewrite.authority === '' ? 0 : 1)
  if (times < 2) return
  context.addIssue({ code: 'custom', message: 'sets the host more than once', path: ['headers', 'request'] })
}

type State = 'text' | 'name' | 'arguments' | 'argument' | 'item' | 'after-item' | 'after-list' | 'end'

/** True when every `%` is doubled or begins a command that ends: `%NAME%`, `%NAME(argument)%`, `%NAME(["a", "b"])%`. */
function areCommandsClosed(text: string): boolean {
  let state: State = 'text'
  for (let at = 0; at < text.length; at += 1) {
    const char = text[at] ?? ''
    if (state === 'text') {
      if (char !== '%') continue
      if (text[at + 1] === '%') at += 1
      else state = 'name'
      continue
    }
    if (state === 'argument' && char === '\\') {
      at += 1
      if (at === text.length) return false
      continue
    }
    const next = nextState(state, char)
    if (next === undefined) return false
    state = next
  }
  return state === 'text'
}

function nextState(state: State, char: string): State | undefined {
  if (state === 'name') return char === '%' ? 'text' : char === '(' ? 'arguments' : 'name'
  if (state === 'argument') return char === ')' ? 'end' : char === '"' ? 'after-item' : 'argument'
  if (/\s/.test(char)) return state
  switch (state) {
    case 'arguments':
      return char === '[' ? 'item' : 'argument'
    case 'item':
      return char === '"' ? 'argument' : undefined
    case 'after-item':
      return char === ',' ? 'item' : char === ']' ? 'after-list' : undefined
    case 'after-list':
      return char === ')' ? 'end' : undefined
    default:
      return char === '%' ? 'text' : undefined
  }
}
