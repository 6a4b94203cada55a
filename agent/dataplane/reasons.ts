/**
 * Why a connection or a request ended as it did: the closed set of codes in access logs, metrics and the `weft-reason`
 * header of whatever an agent answers itself. `docs/reference/reasons.md` explains each; a test compares the two.
 */
export const reasons = {
  OK: 'both sides finished',
  CLIENT_RESET: 'the calling side broke the connection off',
  UPSTREAM_RESET: 'the called side broke the connection off',
  NOT_REDIRECTED: 'the connection came to a port of the agent itself and not by interception',
  NO_ROUTE: 'the address is a mesh address that no service of this host’s view owns',
  UNKNOWN_CALLER: 'the calling process belongs to no workload of this host, and the host has no default identity',
  NO_CERTIFICATE:
    'this host holds no valid certificate for the identity the caller should have, or for the TLS that a port is to end',
  NO_HEALTHY_ENDPOINT: 'the service has no endpoint that may take new connections',
  UPSTREAM_CONNECT: 'the endpoint’s host or port could not be reached',
  UPSTREAM_TLS: 'the TLS handshake with the endpoint’s host failed',
  PEER_IDENTITY: 'the endpoint proved another identity than the registry and the mesh expect',
  CONNECT_REFUSED:
    'the endpoint’s agent, or a proxy that a tunnel goes through, refused the connection; what it said is beside it',
  MTLS_REQUIRED: 'plaintext came to a port that PeerAuthentication makes STRICT',
  AUTHORIZATION_DENIED: 'an AuthorizationPolicy denies it, or none of those that allow does; the log names the rule',
  TOKEN_REFUSED: 'the request has a token that no RequestAuthentication accepts',
  MISDIRECTED: 'the request names another host than the TLS handshake of its connection',
  NOT_DECLARED: 'no local workload declares this address and port',
  WRONG_WORKLOAD: 'the port belongs to a workload of another identity than the one the caller addressed',
  PEER_CERTIFICATE: 'the caller’s certificate is not one of the mesh',
  PEER_BANNED: 'the identity of the other side, or its key, is banned from the mesh',
  BAD_HANDSHAKE: 'what came was no TLS handshake as agents make it, or it was not finished',
  BAD_REQUEST: 'the tunnel request is not a CONNECT to an address and port',
  LOCAL_CONNECT: 'the local process does not accept connections on its declared port',
  TOO_MANY_CONNECTIONS: 'the agent has as many connections open as it may',
  DRAINING: 'the agent is shutting down',
  NO_HTTP_ROUTE: 'the host has rules for its requests, and none of them matches this one',
  BLOCKED_HOST: 'nobody knows the host of the request, and the mesh lets only known ones be called',
  NO_CLUSTER: 'the rule sends the request to a service, port or subset that does not exist',
  UPSTREAM_OVERFLOW: 'the destination has as many connections or requests as its circuit breaker allows',
  REQUEST_TIMEOUT: 'no complete response came within the time that the rule or the caller gives',
  PER_TRY_TIMEOUT: 'the last try got no response within the time that the rule gives to each',
  IDLE_TIMEOUT: 'nothing moved in the request for as long as is allowed',
  RETRY_LIMIT: 'another try was wanted, and the destination has as many retries under way as are allowed',
  FAULT_ABORT: 'a rule’s fault injection answered the request',
  DIRECT_RESPONSE: 'the rule answers the request itself',
  REDIRECT: 'the rule redirects the request',
  BAD_HTTP_REQUEST: 'the request breaks the rules of HTTP',
  BAD_HTTP_RESPONSE: 'the response breaks the rules of HTTP',
  NOT_HTTP: 'what came to a port of HTTP is not HTTP',
  HEADERS_TOO_LARGE: 'the head of the request is larger than the agent takes',
  BODY_BROKEN_OFF: 'the body of the request is not as long as it was said to be, or its framing is broken',
  LOOP: 'the request came back to the agent that had sent it',
} as const

export type Reason = keyof typeof reasons
