import { isField } from '../../routing/header-fields.ts'

/** All values of a cookie in all Cookie headers (RFC 6265, 4.2), in order, without the quotes around them. */
export function cookieValues(headers: readonly string[], name: string): readonly string[] {
  let values: string[] | undefined
  for (let at = 0; at < headers.length; at += 2) {
    if (!isField(headers[at], 'cookie')) continue
    for (const pair of (headers[at + 1] ?? '').split(';')) {
      const equals = pair.indexOf('=')
      if (equals === -1 || pair.slice(0, equals).trim() !== name) continue
      values ??= []
      values.push(unquoted(pair.slice(equals + 1).trim()))
    }
  }
  return values ?? []
}

function unquoted(value: string): string {
  return value.length >= 2 && value.startsWith('"') && value.endsWith('"') ? value.slice(1, -1) : value
}
