import type { PolicyConfig } from '../../model/policy.ts'
import { createAddressBlocks } from '../../std/address-blocks.ts'
import type { PolicyCall } from '../call.ts'
import type { PrincipalText } from './principals.ts'
import type { TextMatcher } from './text-matcher.ts'

/** Whether a call has one of the values that were prepared. */
export type CallMatcher = (call: PolicyCall) => boolean

/** Something about a call that policies can name. */
export interface Attribute {
  /** Only requests have it, connections do not. */
  readonly isHttp: boolean
  /** Prepares the values of a policy; undefined when one of them is not of the attribute's form. */
  compile(values: readonly string[]): CallMatcher | undefined
  /** What the call has, for people; undefined when it has none. */
  seen(call: PolicyCall): string | undefined
}

/** What the meaning of a value depends on. */
export interface AttributeContext {
  /** Of the policy. */
  readonly namespace: string
  readonly trust: Pick<PolicyConfig, 'trustDomain' | 'trustDomainAliases'>
  readonly principalText: PrincipalText
}

/** An attribute that is one text or none; what has none matches no value. */
export function textAttribute(
  read: (call: PolicyCall) => string | undefined,
  create: (values: readonly string[]) => TextMatcher | undefined,
  isHttp = false,
): Attribute {
  return {
    isHttp,
    seen: read,
    compile(values) {
      const matches = create(values)
      if (matches === undefined) return undefined
      return call => {
        const text = read(call)
        return text !== undefined && matches(text)
      }
    },
  }
}

/** An address, compared with ranges. */
export function addressAttribute(read: (call: PolicyCall) => string): Attribute {
  return textAttribute(read, values => createAddressBlocks(values)?.has)
}

export const sourceIp = addressAttribute(call => call.sourceIp)

/** The client before all proxies; of a connection, its other end. */
export const remoteIp = addressAttribute(call => call.request?.remoteIp ?? call.sourceIp)

export const destinationPort: Attribute = {
  isHttp: false,
  seen: call => String(call.destinationPort),
  compile(values) {
    if (!values.every(value => /^\d+$/.test(value))) return undefined
    const ports = new Set(values.map(Number))
    return call => ports.has(call.destinationPort)
  },
}
