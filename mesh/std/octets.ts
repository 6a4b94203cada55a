/**
 * What is on the wire is octets, and here it is text of one unit an octet (Latin-1); what operators write is text. Both
 * ways of getting from one to the other cost nothing for ASCII.
 */

/** The UTF-8 octets of a text, one unit an octet. */
export function octetsOf(text: string): string {
  return isAscii(text) ? text : Buffer.from(text, 'utf8').toString('latin1')
}

/** The text that octets are in UTF-8; what is none of it becomes U+FFFD. */
export function textOf(octets: string): string {
  return isAscii(octets) ? octets : Buffer.from(octets, 'latin1').toString('utf8')
}

function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    if (text.charCodeAt(at) > 0x7f) return false
  }
  return true
}
