/**
 * Why a connection ended as it did: the closed set of codes in access logs, metrics and the `weft-reason` header of a
 * refused CONNECT. `docs/reference/reasons.md` explains each; a test compares the two.
 */
export const reasons = {
  OK: 'both sides finished',
  CLIENT_RESET: 'the calling side broke the connection off',
  UPSTREAM_RESET: 'the called side broke the connection off',
  NOT_REDIRECTED: 'the connection came to a port of the agent itself and not by interception',
  NO_ROUTE: 'the address is a mesh address that no service of this host’s view owns',
  UNKNOWN_CALLER: 'the calling process belongs to no workload of this host, and the host has no default identity',
  NO_CERTIFICATE: 'this host holds no valid certificate for the identity the caller should have',
  NO_HEALTHY_ENDPOINT: 'the service has no endpoint that may take new connections',
  UPSTREAM_CONNECT: 'the endpoint’s host or port could not be reached',
  UPSTREAM_TLS: 'the TLS handshake with the endpoint’s host failed',
  PEER_IDENTITY: 'the endpoint proved another identity than the registry and the mesh expect',
  CONNECT_REFUSED: 'the endpoint’s agent refused the connection; its own reason is beside it',
  MTLS_REQUIRED: 'plaintext came to a port that PeerAuthentication makes STRICT',
  NOT_DECLARED: 'no local workload declares this address and port',
  WRONG_WORKLOAD: 'the port belongs to a workload of another identity than the one the caller addressed',
  PEER_CERTIFICATE: 'the caller’s certificate is not one of the mesh',
  BAD_HANDSHAKE: 'what came was no TLS handshake as agents make it, or it was not finished',
  BAD_REQUEST: 'the tunnel request is not a CONNECT to an address and port',
  LOCAL_CONNECT: 'the local process does not accept connections on its declared port',
  TOO_MANY_CONNECTIONS: 'the agent has as many connections open as it may',
  DRAINING: 'the agent is shutting down',
} as const

export type Reason = keyof typeof reasons
