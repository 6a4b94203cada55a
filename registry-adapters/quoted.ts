/** A text from outside as it may stand in a message: in quotes, short and on one line. */
export function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text)
}

/** A reason as operators read it: the first line, at most 200 characters. */
export function firstLine(text: string): string {
  const [line = ''] = text
    .slice(0, 4000)
    .trim()
    .split(/[\n\r\u2028\u2029]/, 1)
  const clean = line.replaceAll(/\p{Cc}+/gu, ' ')
  return clean.length > 200 ? `${clean.slice(0, 199)}…` : clean
}
