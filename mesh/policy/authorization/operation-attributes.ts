import type { AuthorizationOperation } from '../../model/policy.ts'
import type { PolicyCall } from '../call.ts'
import { type Attribute, destinationPort, textAttribute } from './attribute.ts'
import { createPathMatcher } from './path-matcher.ts'
import { createFoldedMatcher, createTextMatcher } from './text-matcher.ts'

type Positive<Field> = Field extends `not${string}` ? never : Field

/** The fields of `to[].operation`, without those that begin with `not`. */
export type OperationField = Positive<keyof AuthorizationOperation>

export const operationAttributes: Readonly<Record<OperationField, Attribute>> = {
  hosts: textAttribute(({ request }) => request?.authority, createFoldedMatcher, true),
  ports: destinationPort,
  methods: textAttribute(({ request }) => request?.method, createTextMatcher, true),
  paths: textAttribute(pathOf, createPathMatcher, true),
}

/** Normalised, and without query and fragment, which are no part of what is compared. */
function pathOf({ request }: PolicyCall): string | undefined {
  if (request === undefined) return undefined
  const { path } = request
  for (let at = 0; at < path.length; at += 1) {
    const unit = path.charCodeAt(at)
    if (unit === 0x3f || unit === 0x23) return path.slice(0, at)
  }
  return path
}
