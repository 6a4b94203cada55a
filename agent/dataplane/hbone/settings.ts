import type { H2Options } from '../h2/options.ts'

/**
 * HTTP/2 settings between agents: ztunnel's windows (features 2.8). The connection window is four times a stream's, so
 * that one stalled stream cannot hold up the others; large frames keep bulk cheap.
 */
const hboneSettings = {
  settings: {
    initialWindowSize: 4 * 1024 * 1024,
    connectionWindow: 16 * 1024 * 1024,
    maxFrameSize: 1024 * 1024,
  },
  maxConcurrentStreams: 100,
} as const

/**
 * Between Weft agents: what is taken from an application must pass here with the mesh's own fields added, and
 * applications that give up many requests must not cost the session that all of them share.
 */
const weftSettings = {
  ...hboneSettings,
  dialect: 'weft',
  settings: { ...hboneSettings.settings, headerTableSize: 16 * 1024 },
  limits: {
    headerBlockBytes: 128 * 1024,
    headerListBytes: 96 * 1024,
    headerPairs: 160,
    resets: 20_000,
    heldHeaderBytes: 16 * 1024 * 1024,
  },
} as const

/** The ALPN of {@link weftSettings}: HTTP/2 in the dialect `weft`. */
export const weftAlpn = 'weft/1'
/** What agents offer and take, the best first. */
export const sessionAlpns: readonly string[] = [weftAlpn, 'h2']

/** How a session behaves by the protocol that was agreed on; undefined when that is none of ours. */
export function sessionSettings(alpn: string | false | null): Omit<H2Options, 'clock' | 'blocks'> | undefined {
  if (alpn === weftAlpn) return weftSettings
  return alpn === 'h2' ? hboneSettings : undefined
}

/** Istio's port for HBONE. */
export const defaultHbonePort = 15008
