import {
  defaultMaxFrameSize,
  defaultWindow,
  h2Error,
  maxFrameSizeCeiling,
  maxWindow,
  readUint32,
  writeUint32,
} from './frames.ts'

/** Identifiers of SETTINGS parameters, RFC 9113 section 6.5.2. */
const settingId = {
  headerTableSize: 0x1,
  enablePush: 0x2,
  maxConcurrentStreams: 0x3,
  initialWindowSize: 0x4,
  maxFrameSize: 0x5,
  maxHeaderListSize: 0x6,
} as const

/** What we ask of the peer. Sizes in bytes. */
export interface LocalSettings {
  /** The receive window of each stream. */
  readonly initialWindowSize: number
  /** The receive window of the whole connection; four times a stream's, so that one slow stream cannot take it all. */
  readonly connectionWindow: number
  readonly maxFrameSize: number
  readonly headerTableSize: number
}

/** The windows ztunnel uses between hosts. */
export const defaultLocalSettings: LocalSettings = {
  initialWindowSize: 4 * 1024 * 1024,
  connectionWindow: 16 * 1024 * 1024,
  maxFrameSize: 1024 * 1024,
  headerTableSize: 4096,
}

/** What the peer asks of us, with the defaults of the RFC until it has spoken. */
export interface PeerSettings {
  headerTableSize: number
  maxConcurrentStreams: number
  initialWindowSize: number
  maxFrameSize: number
}

/** A peer that has not spoken yet. The stream limit is formally unlimited; the caller caps it with its own. */
export function initialPeerSettings(): PeerSettings {
  return {
    headerTableSize: 4096,
    maxConcurrentStreams: maxWindow,
    initialWindowSize: defaultWindow,
    maxFrameSize: defaultMaxFrameSize,
  }
}

const parameterBytes = 6

/** The payload of our SETTINGS frame, in either role. */
export function announcedSettings(
  local: LocalSettings,
  role: 'client' | 'server',
  maxConcurrentStreams: number,
  maxHeaderListBytes: number,
): Buffer {
  const own = role === 'client' ? [settingId.enablePush, 0] : [settingId.maxConcurrentStreams, maxConcurrentStreams]
  return encodeSettings([
    ...own,
    settingId.headerTableSize,
    local.headerTableSize,
    settingId.initialWindowSize,
    local.initialWindowSize,
    settingId.maxFrameSize,
    local.maxFrameSize,
    settingId.maxHeaderListSize,
    maxHeaderListBytes,
  ])
}

/** Flat pairs of identifier and value. */
function encodeSettings(pairs: readonly number[]): Buffer {
  const payload = Buffer.allocUnsafe((pairs.length / 2) * parameterBytes)
  for (let index = 0; index < pairs.length; index += 2) {
    const at = (index / 2) * parameterBytes
    payload.writeUInt16BE(pairs[index] ?? 0, at)
    writeUint32(payload, at + 2, pairs[index + 1] ?? 0)
  }
  return payload
}

/**
 * Puts the peer's parameters into `settings` in the order they stand. Returns an error code of RFC 9113 section 6.5.2
 * for a value that is not allowed, else `noError`; unknown parameters are ignored. `fromServer` forbids what only a
 * client may say.
 */
export function applySettings(payload: Buffer, settings: PeerSettings, fromServer: boolean): number {
  for (let at = 0; at + parameterBytes <= payload.length; at += parameterBytes) {
    const value = readUint32(payload, at + 2)
    switch (payload.readUInt16BE(at)) {
      case settingId.headerTableSize:
        settings.headerTableSize = value
        break
      case settingId.enablePush:
        if (value > 1 || (fromServer && value === 1)) return h2Error.protocol
        break
      case settingId.maxConcurrentStreams:
        settings.maxConcurrentStreams = value
        break
      case settingId.initialWindowSize:
        if (value > maxWindow) return h2Error.flowControl
        settings.initialWindowSize = value
        break
      case settingId.maxFrameSize:
        if (value < defaultMaxFrameSize || value > maxFrameSizeCeiling) return h2Error.protocol
        settings.maxFrameSize = value
        break
    }
  }
  return h2Error.noError
}
