import { octetsOf } from '../std/octets.ts'
import { type Command, commandOf } from './format-commands.ts'
import type { RequestFacts } from './request-facts.ts'

/**
 * Values of header operations: text with commands between percent signs (Envoy: substitution formatting, as far as a
 * request and its connection are concerned). `%%` is a percent sign.
 */
export type HeaderValue =
  | { readonly kind: 'literal'; readonly text: string }
  | { readonly kind: 'format'; readonly parts: readonly (string | Command)[] }

/** What values are made from. `response` is empty while there is none. */
export interface FormatInput {
  readonly request: readonly string[]
  readonly response: readonly string[]
  readonly facts: RequestFacts
}

/** Prepares a value. A command that nobody knows comes to nothing; {@link headerFormatProblem} says so beforehand. */
export function compileHeaderValue(text: string): HeaderValue {
  if (!text.includes('%')) return { kind: 'literal', text: octetsOf(text) }
  const parts = partsOf(text).map(part => (part.command === undefined ? octetsOf(part.text) : commandOf(part.command)))
  const known = parts.filter(part => part !== undefined)
  if (known.every(part => typeof part === 'string')) return { kind: 'literal', text: known.join('') }
  return { kind: 'format', parts: known }
}

/** Why Envoy would refuse the value; undefined when it would not. */
export function headerFormatProblem(text: string): string | undefined {
  for (const part of partsOf(text)) {
    if (part.command === undefined) {
      if (part.lone === true) return 'has a single %: write %% for a percent sign'
    } else if (commandOf(part.command) === undefined) return `has the unknown command %${part.command}%`
  }
  return undefined
}

/** The value for one message; empty parts are left out. */
export function formatHeaderValue(value: HeaderValue, input: FormatInput): string {
  if (value.kind === 'literal') return value.text
  let text = ''
  for (const part of value.parts) text += typeof part === 'string' ? part : part(input)
  return text
}

/** Texts and commands in order; a percent sign that begins no command is a text of its own. */
function partsOf(text: string): Part[] {
  return Array.from(text.matchAll(token), ([all, command]): Part => {
    if (command !== undefined) return { command }
    return all === '%%' ? { text: '%' } : { text: all, lone: all === '%' }
  })
}

type Part =
  | { readonly command: string }
  | { readonly command?: undefined; readonly text: string; readonly lone?: boolean }

const token = /%%|%([A-Z0-9_]+(?:\([^)]*\))?(?::\d+)?)%|%|[^%]+/g
