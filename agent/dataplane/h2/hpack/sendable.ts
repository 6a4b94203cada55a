/** What cannot be in a field must not become something else on the wire: a cut-off code unit could read as a line end. */
export function sendable(text: string): string {
  return isSendable(text) ? text : replaceUnsendable(text)
}

/** Whether a text can be sent as it is: Latin-1 without NUL, CR and LF. */
export function isSendable(text: string): boolean {
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    if (unit > 0xff || unit === 0 || unit === 0x0a || unit === 0x0d) return false
  }
  return true
}

function replaceUnsendable(text: string): string {
  let clean = ''
  for (let at = 0; at < text.length; at += 1) {
    const unit = text.charCodeAt(at)
    clean += unit > 0xff || unit === 0 || unit === 0x0a || unit === 0x0d ? '?' : text.charAt(at)
  }
  return clean
}
