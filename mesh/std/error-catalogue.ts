interface CatalogueEntry {
  /** When it is raised, in one or two sentences. */
  readonly when: string
  /** What to do about it, in one sentence. */
  readonly next: string
}

/**
 * Every error code Weft knows. Codes are never renamed and never reused; `docs/reference/errors.md` holds the same
 * list, and a test compares the two in both directions.
 */
export const errorCatalogue = {
  WEFT_CONFIG_INVALID: {
    when: 'The configuration of a server or an agent has an unknown key, a value of the wrong shape, or contradicts itself.',
    next: 'correct the named key; docs/reference/configuration.md lists all of them',
  },
  WEFT_USAGE: {
    when: 'A command was called with arguments it does not take.',
    next: 'run the command with --help',
  },
  WEFT_RESOURCE_INVALID: {
    when: 'A resource document is malformed, of an unknown kind, or has a field that is unknown or not implemented.',
    next: 'correct the named field; nothing of the document was applied',
  },
  WEFT_RESOURCE_CONFLICT: {
    when: 'A resource was written with an outdated version, or collides with another one of the same scope.',
    next: 'read the current version, merge, and write again',
  },
  WEFT_CUTS_CALLERS: {
    when: 'A change was not applied because callers that agents have seen would be cut off by it.',
    next: 'look at it with weft plan; --yes does it all the same',
  },
  WEFT_MIGRATION_REFUSED: {
    when: "A service's traffic was not moved to another registry, because it would not arrive there or another rule holds.",
    next: 'see weft services <name>; the shares are as they were, and --abort gives everything back',
  },
  WEFT_NOT_FOUND: {
    when: 'A named resource, token or agent does not exist.',
    next: 'list what is there and check the name and namespace',
  },
  WEFT_URL_REFUSED: {
    when: 'A URL of a resource leads where the server does not fetch from: its own host or link, a metadata service, another scheme than http and https.',
    next: 'correct the URL, or allow its host, address or range in outboundUrls.allow of the server',
  },
  WEFT_URL_UNAVAILABLE: {
    when: 'Nothing usable could be fetched from a URL of a resource: no address, no connection, no answer in time, a redirect or another status than 200, or too much. What was fetched before stays in use.',
    next: 'fetch the URL from the host of the server; redirects are not followed',
  },
  WEFT_REGISTRY_UNAVAILABLE: {
    when: 'A registry does not answer, refuses the credentials, or answers nonsense. Its last good view stays in use.',
    next: 'check the registry and its credentials; weft status shows since when it is stale',
  },
  WEFT_REGISTRY_ITEM: {
    when: 'One item of a registry is not usable and was left out; all others are in use.',
    next: 'correct the named item where it is registered',
  },
  WEFT_SPIFFE_ID: {
    when: 'A SPIFFE id does not follow the standard or is not of the expected trust domain.',
    next: 'use spiffe://<trust-domain>/ns/<namespace>/sa/<service-account>',
  },
  WEFT_CSR_REFUSED: {
    when: 'A certificate signing request is malformed, not signed by its own key, or asks for more than a key.',
    next: 'make a P-256 key and a plain PKCS#10 request for it',
  },
  WEFT_CERTIFICATE_REFUSED: {
    when: 'A certificate is malformed, expired, not of the mesh, or does not carry exactly one SPIFFE id.',
    next: 'compare the two trust bundles and the clocks of both hosts',
  },
  WEFT_TRUST_BUNDLE: {
    when: 'A trust bundle is of another trust domain, older than the one in use, or holds something that is no root. The one in use stays.',
    next: 'check which server the agent talks to, and whether that server was restored from an old backup',
  },
  WEFT_BANNED: {
    when: 'A certificate was asked for an identity, or by a node, that an operator has banned.',
    next: 'see weft identity bans for the reason; weft identity unban lets it take part again',
  },
  WEFT_ROTATION: {
    when: 'A rotation of the root was asked for while one is under way, or one was to be forced or taken back and none is.',
    next: 'see weft ca status',
  },
  WEFT_PEER_IDENTITY: {
    when: 'A peer proved an identity other than the one that was expected.',
    next: 'check which workload really listens there and what the registry says about it',
  },
  WEFT_IDENTITY_NOT_PLACED: {
    when: 'An agent asked for an identity that nothing trustworthy places on its node.',
    next: 'name the identity in the join token, or declare the workload on that node',
  },
  WEFT_TOKEN_REFUSED: {
    when: 'A join token is unknown, used, expired, revoked, or for another node.',
    next: 'create a new one with weft token create --node <name>',
  },
  WEFT_EVIDENCE_REFUSED: {
    when: 'What a host brought to join with is forged, too old, for another audience or node, used before, or no JoinPolicy lets it in.',
    next: "see the server's log for the reason, which is not told to the host",
  },
  WEFT_NOT_JOINED: {
    when: 'An agent was started on a host that has not joined a mesh, or whose node key was lost.',
    next: 'create a token with weft token create --node <name> and run weft agent join --token-file <file>',
  },
  WEFT_REGISTRATION_INVALID: {
    when: 'A registration of a host has a field of the wrong shape, or collides with another one of the same host.',
    next: 'correct the named field; nothing was registered',
  },
  WEFT_AGENT_UNREACHABLE: {
    when: 'The agent of this host does not answer on its admin socket.',
    next: 'check that weft agent run runs here, that --admin-socket is its own, and that you are the user it runs as',
  },
  WEFT_AGENT_FAILED: {
    when: 'A part of the agent that it cannot go on without ended by itself.',
    next: 'read the log lines before it; the service manager starts the agent again',
  },
  WEFT_UNAUTHENTICATED: {
    when: 'A request to the server carries no valid bearer token.',
    next: 'set WEFT_TOKEN, or pass --token-file',
  },
  WEFT_FORBIDDEN: {
    when: 'A request to the server comes from somebody who has not the role for it.',
    next: 'ask an admin for a token with the role that is missing',
  },
  WEFT_RATE_LIMITED: {
    when: 'Too many attempts to join came from one address within a second.',
    next: 'wait a second and try again',
  },
  WEFT_SERVER_UNTRUSTED: {
    when: 'The server that answered is not the one the agent or the command line was told to trust.',
    next: 'check the address, and the root hash in the join token',
  },
  WEFT_SERVER_UNREACHABLE: {
    when: 'The server does not answer.',
    next: 'check that weft server runs there and that the port is open',
  },
  WEFT_STATE_CORRUPT: {
    when: 'A file in a state directory is truncated, altered or has the wrong permissions. The previous generation is used where there is one.',
    next: 'read the named file; remove it to start from the previous generation or from the server',
  },
  WEFT_STATE_UNWRITABLE: {
    when: 'A state directory cannot be written. What is in memory stays in use, but would not survive a restart.',
    next: 'check free space, mount options and the owner of the named directory',
  },
  WEFT_STORE: {
    when: 'The server cannot read or write its store.',
    next: 'check disk space and permissions of the data directory',
  },
  WEFT_WIRE: {
    when: 'A message of the control channel is malformed, too large, or out of order.',
    next: 'compare the versions of server and agent',
  },
  WEFT_CAPTURE: {
    when: 'The interception rules could not be written, verified or removed.',
    next: 'check that iptables, ip6tables and ipset are installed and that the agent has CAP_NET_ADMIN',
  },
  WEFT_LISTEN: {
    when: 'A port or socket could not be opened.',
    next: 'see which process holds it with ss -ltnp',
  },
} as const satisfies Record<string, CatalogueEntry>

export type ErrorCode = keyof typeof errorCatalogue
