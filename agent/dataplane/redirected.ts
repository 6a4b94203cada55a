import type { Socket } from 'node:net'
import { type OriginalDst, originalDst } from '../intercept/original-dst.ts'

/**
 * Where a connection that interception brought here was going; undefined when it was not redirected. Reads the file
 * descriptor of the socket's handle, which Node has but does not document.
 */
export function redirectedFrom(socket: Socket): OriginalDst | undefined {
  const { _handle: handle } = socket as unknown as { readonly _handle?: { readonly fd?: number } | null }
  const fd = handle?.fd
  if (fd === undefined || fd < 0) return undefined
  const remote = socket.remoteAddress ?? ''
  return originalDst(fd, remote.includes(':') && !remote.startsWith('::ffff:') ? 6 : 4)
}
