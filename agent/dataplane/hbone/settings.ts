/**
 * HTTP/2 settings between agents: ztunnel's windows (features 2.8). The connection window is four times a stream's, so
 * that one stalled stream cannot hold up the others; large frames keep bulk cheap.
 */
export const hboneSettings = {
  settings: {
    initialWindowSize: 4 * 1024 * 1024,
    connectionWindow: 16 * 1024 * 1024,
    maxFrameSize: 1024 * 1024,
  },
  maxConcurrentStreams: 100,
} as const

/** Istio's port for HBONE. */
export const defaultHbonePort = 15008
