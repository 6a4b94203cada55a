import type { HeaderList } from '../stream.ts'

/** Writes the header blocks of one connection, in the order they are sent. */
export interface HeaderEncoder {
  /** The header block of a list: a view that is valid until the next call. */
  encode(headers: HeaderList): Buffer
  /** The peer's SETTINGS_HEADER_TABLE_SIZE. */
  peerTableSize(bytes: number): void
}
