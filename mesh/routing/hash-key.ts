import type { Random } from '../std/clock.ts'
import type { HashKey } from './cluster.ts'
import { fieldOf, isField } from './header-fields.ts'

/**
 * What a request is hashed by, so that equal ones come to the same endpoint (DestinationRule `consistentHash`); undefined
 * where the request has none: then any endpoint will do. `sourceAddress` is the caller's address without its port.
 */
export function hashKeyOf(key: HashKey, headers: readonly string[], sourceAddress: string): string | undefined {
  switch (key.kind) {
    case 'header':
      return headerKey(headers, key.name)
    case 'cookie':
      return cookieOf(headers, key.name)
    case 'source-ip':
      return sourceAddress
    case 'query':
      return queryOf(fieldOf(headers, ':path') ?? '', key.name)
  }
}

/** Several fields of the name count in any order. */
function headerKey(headers: readonly string[], wanted: string): string | undefined {
  const name = wanted.toLowerCase()
  let only: string | undefined
  let several: string[] | undefined
  for (let at = 0; at < headers.length; at += 2) {
    if (!isField(headers[at], name)) continue
    const value = headers[at + 1] ?? ''
    if (only === undefined) only = value
    else {
      several ??= [only]
      several.push(value)
    }
  }
  return several === undefined ? only : several.sort().join()
}

function cookieOf(headers: readonly string[], name: string): string | undefined {
  for (let at = 0; at < headers.length; at += 2) {
    if (!isField(headers[at], 'cookie')) continue
    for (const part of (headers[at + 1] ?? '').split(';')) {
      const pair = part.trim()
      if (pair.startsWith(name) && pair[name.length] === '=')
        return pair.slice(name.length + 1).replace(/^"(.*)"$/, '$1')
    }
  }
  return undefined
}

function queryOf(path: string, name: string): string | undefined {
  const query = path.indexOf('?')
  if (query < 0) return undefined
  const pairs = path.slice(query + 1).split('&')
  const found = pairs.find(pair => pair === name || pair.startsWith(`${name}=`))
  return found?.slice(name.length + 1)
}

export type CookieKey = Extract<HashKey, { kind: 'cookie' }>

/**
 * For a request without the cookie whose key has a time to live: the value to hash by now, and the `set-cookie` that makes
 * the client send it from then on. Undefined where no cookie is to be made.
 */
export function newHashCookie(
  key: HashKey,
  random: Random,
): { readonly value: string; readonly setCookie: string } | undefined {
  if (key.kind !== 'cookie' || key.ttlMs === undefined) return undefined
  const value = Math.floor(random() * 2 ** 48)
    .toString(16)
    .padStart(12, '0')
  const parts = [`${key.name}="${value}"`]
  if (key.ttlMs > 0) parts.push(`Max-Age=${Math.floor(key.ttlMs / 1000)}`)
  if (key.path !== '') parts.push(`Path=${key.path}`)
  for (const attribute of key.attributes) {
    parts.push(attribute.value === '' ? attribute.name : `${attribute.name}=${attribute.value}`)
  }
  if (!key.attributes.some(attribute => attribute.name.toLowerCase() === 'httponly')) parts.push('HttpOnly')
  return { value, setCookie: parts.join('; ') }
}
