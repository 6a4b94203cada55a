/** Which octets may stand where: RFC 9110 section 5.6.2 and 5.5, RFC 3986, RFC 9112 section 3.2. Tables hold 1 or 0. */

/** A token: field names of responses, protocols. */
export const tokenOctets = octets(/[!#$%&'*+\-.^_`|~0-9A-Za-z]/)
/** A request's field name: backends read an underscore as a hyphen, so it could be one of ours in disguise. */
export const requestNameOctets = octets(/[!#$%&'*+\-.^`|~0-9A-Za-z]/)
/** A method; lower case letters are for those who compare without case, and frame a response to `head` wrongly. */
export const methodOctets = octets(/[!#$%&'*+\-.^_`|~0-9A-Z]/)
/** A field value: no control characters but the tab; octets from 0x80 on are passed on as they are. */
export const valueOctets = octets(/[\t\x20-\x7e\x80-\xff]/)
/** A request target: visible ASCII; a fragment is not part of it, and a backslash is a slash to some. */
export const targetOctets = octets(/[!"$-[\]-~]/)
/** A host with a port; the comma that RFC 3986 allows would let two hosts pass as one. */
export const authorityOctets = octets(/[!$%&'()*+\-.:;=_~[\]0-9A-Za-z]/)
/** What is between the brackets of an IP literal. */
export const literalOctets = octets(/[0-9A-Fa-f:.]/)

/** The value of a hexadecimal digit, 255 for other octets. */
export const hexValues: Uint8Array = Uint8Array.from({ length: 256 }, (_, octet) => {
  const value = Number.parseInt(String.fromCharCode(octet), 16)
  return Number.isNaN(value) ? 255 : value
})

export const cr = 0x0d
export const lf = 0x0a
export const space = 0x20
export const tab = 0x09
export const colon = 0x3a

/** Whether a text has only octets of the table, and at least one. */
export function consistsOf(text: string, allowed: Uint8Array): boolean {
  for (let at = 0; at < text.length; at += 1) if (allowed[text.charCodeAt(at)] !== 1) return false
  return text.length > 0
}

function octets(pattern: RegExp): Uint8Array {
  return Uint8Array.from({ length: 256 }, (_, octet) => (pattern.test(String.fromCharCode(octet)) ? 1 : 0))
}
