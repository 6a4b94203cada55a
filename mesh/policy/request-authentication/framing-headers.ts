/** What a message is addressed and delimited by (RFC 9110, 7.6.1; RFC 9112, 6): no rule writes or removes it. */
const names: ReadonlySet<string> = new Set([
  ...['host', 'content-length', 'transfer-encoding', 'connection', 'keep-alive', 'proxy-connection'],
  ...['te', 'trailer', 'upgrade', 'expect'],
])

/** Whether a header, in whatever case, is one of those. */
export function isFramingHeader(name: string): boolean {
  return name.startsWith(':') || names.has(name.toLowerCase())
}
