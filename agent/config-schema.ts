import { isAbsolute, normalize } from 'node:path'
import { createRanges } from '../mesh/std/ip-ranges.ts'
import type { SettingsTree } from '../mesh/std/settings.ts'
import { parseUpstream } from './control/upstream-address.ts'
import { defaultCredentialDirectory } from './dataplane/transport/origin-tls.ts'
import { parsePorts } from './registration/declared.ts'

/**
 * Every setting of an agent. This is the only list: the loader, the reference page and its test all read it. Each
 * environment variable is `WEFT_AGENT_` and the key's path in capitals.
 */
export const agentSettings = {
  node: {
    doc: "This host's name in the mesh; empty means the system's host name. It must be the one in the join token.",
    format: String,
    default: '',
    env: 'WEFT_AGENT_NODE',
    arg: 'node',
  },
  server: {
    host: {
      doc: 'Name or address of the server.',
      format: String,
      default: '',
      env: 'WEFT_AGENT_SERVER_HOST',
      arg: 'server',
    },
    transport: {
      doc: 'How to talk to it: websocket or grpc.',
      format: ['websocket', 'grpc'],
      default: 'websocket',
      env: 'WEFT_AGENT_SERVER_TRANSPORT',
      arg: 'transport',
    },
    websocketPort: {
      doc: 'Port of the server for agents over WebSocket.',
      format: 'port',
      default: 15011,
      env: 'WEFT_AGENT_SERVER_WEBSOCKET_PORT',
    },
    grpcPort: {
      doc: 'Port of the server for agents over gRPC.',
      format: 'port',
      default: 15012,
      env: 'WEFT_AGENT_SERVER_GRPC_PORT',
    },
    apiPort: {
      doc: "Port of the server's HTTPS API, where a host joins.",
      format: 'port',
      default: 15443,
      env: 'WEFT_AGENT_SERVER_API_PORT',
    },
  },
  join: {
    evidence: {
      doc: 'What this host joins with by itself when it has not joined, or its certificate has expired: nomad, kubernetes, consul, x509, aws, gcp or azure; empty: nothing, somebody joins it. See docs/join.md.',
      format: ['', 'nomad', 'kubernetes', 'consul', 'x509', 'aws', 'gcp', 'azure'],
      default: '',
      env: 'WEFT_AGENT_JOIN_EVIDENCE',
      arg: 'evidence',
    },
    evidenceFile: {
      doc: 'File with that evidence: a token, a document, or for x509 the certificate with its chain and its key, PEM. Empty with aws, gcp and azure asks the metadata service of the cloud.',
      format: String,
      default: '',
      env: 'WEFT_AGENT_JOIN_EVIDENCE_FILE',
      arg: 'evidence-file',
    },
    rootHash: {
      doc: "SHA-256 of the public key of the mesh's root, in hexadecimal: which server is believed. Join tokens carry it, evidence does not.",
      format: String,
      default: '',
      env: 'WEFT_AGENT_JOIN_ROOT_HASH',
      arg: 'root-hash',
    },
    audience: {
      doc: 'The audience that is asked for of the metadata service of gcp.',
      format: String,
      default: '',
      env: 'WEFT_AGENT_JOIN_AUDIENCE',
    },
  },
  stateDir: {
    doc: 'Directory of keys, certificates and the last config. It must survive reboots.',
    format: String,
    default: '/var/lib/weft/agent',
    env: 'WEFT_AGENT_STATE_DIR',
    arg: 'state-dir',
  },
  ports: {
    outbound: {
      doc: "Captured outbound connections of callers that belong to no workload; loopback only. Each workload identity's own port follows from workloadBase.",
      format: 'port',
      default: 15001,
      env: 'WEFT_AGENT_PORTS_OUTBOUND',
    },
    inbound: {
      doc: 'Captured plaintext connections from outside to declared workload ports.',
      format: 'port',
      default: 15006,
      env: 'WEFT_AGENT_PORTS_INBOUND',
    },
    hbone: {
      doc: 'Mutual TLS between agents.',
      format: 'port',
      default: 15008,
      env: 'WEFT_AGENT_PORTS_HBONE',
    },
    metrics: {
      doc: 'Prometheus metrics, at /metrics.',
      format: 'port',
      default: 15020,
      env: 'WEFT_AGENT_PORTS_METRICS',
    },
    readiness: {
      doc: 'Health checks, at /healthz/ready and /healthz/live.',
      format: 'port',
      default: 15021,
      env: 'WEFT_AGENT_PORTS_READINESS',
    },
    dns: {
      doc: 'Mesh names over UDP and TCP; loopback only.',
      format: 'port',
      default: 15053,
      env: 'WEFT_AGENT_PORTS_DNS',
    },
    workloadBase: {
      doc: 'First port given to the outbound listener of a workload identity. Assignments are kept in the state directory.',
      format: 'port',
      default: 15100,
      env: 'WEFT_AGENT_PORTS_WORKLOAD_BASE',
    },
  },
  metricsHost: {
    doc: 'Address that metrics and health checks listen on.',
    format: String,
    default: '0.0.0.0',
    env: 'WEFT_AGENT_METRICS_HOST',
  },
  metricsPrefix: {
    doc: "First word of the metrics that are Istio's: another one keeps them apart from those of a real Istio.",
    format: metricPrefix,
    default: 'istio',
    env: 'WEFT_AGENT_METRICS_PREFIX',
  },
  threads: {
    doc: 'Threads that move bytes; 0 means one per core that this process may use.',
    format: 'nat',
    default: 0,
    env: 'WEFT_AGENT_THREADS',
    arg: 'threads',
  },
  capture: {
    enabled: {
      doc: 'Whether to write interception rules. Without them, only what is sent to the agent on purpose is meshed.',
      format: Boolean,
      default: true,
      env: 'WEFT_AGENT_CAPTURE_ENABLED',
      arg: 'capture',
    },
    mode: {
      doc: 'mesh captures virtual addresses, known endpoints of the mesh, and the addresses and ranges that services outside of it declare; all captures every TCP connection that is not excluded.',
      format: ['mesh', 'all'],
      default: 'mesh',
      env: 'WEFT_AGENT_CAPTURE_MODE',
    },
    onAgentDown: {
      doc: 'What becomes of mesh addresses when the agent is stopped: closed refuses them until it is back, open removes the rules, so that real addresses are reached in plaintext.',
      format: ['closed', 'open'],
      default: 'closed',
      env: 'WEFT_AGENT_CAPTURE_ON_AGENT_DOWN',
    },
    dns: {
      doc: "Whether this host's DNS queries are redirected to the agent.",
      format: Boolean,
      default: false,
      env: 'WEFT_AGENT_CAPTURE_DNS',
    },
    excludePorts: {
      doc: "TCP ports of real addresses that are not captured in either direction, besides 22 and the agent's, the server's, Consul's and Nomad's own. Virtual addresses are captured on every port.",
      format: portList,
      items: 'number',
      default: [] as number[],
      env: 'WEFT_AGENT_CAPTURE_EXCLUDE_PORTS',
    },
    excludeCidrs: {
      doc: 'Destinations that are not captured, as prefixes such as 10.1.0.0/16 or fd00:1::/64.',
      format: rangeList,
      default: [] as string[],
      env: 'WEFT_AGENT_CAPTURE_EXCLUDE_CIDRS',
    },
  },
  dns: {
    enabled: {
      doc: 'Whether to answer mesh names.',
      format: Boolean,
      default: true,
      env: 'WEFT_AGENT_DNS_ENABLED',
    },
    upstreams: {
      doc: 'Resolvers for all other names, such as 10.0.0.2, 10.0.0.2:53 or [fd00::2]:53; empty means those of /etc/resolv.conf.',
      format: upstreamList,
      default: [] as string[],
      env: 'WEFT_AGENT_DNS_UPSTREAMS',
    },
  },
  credentials: {
    directory: {
      doc: 'Directory of the credentials that DestinationRules name by credentialName: of each a directory with tls.crt, tls.key and ca.crt, in PEM. They are read when a connection is made.',
      format: String,
      default: defaultCredentialDirectory,
      env: 'WEFT_AGENT_CREDENTIALS_DIRECTORY',
    },
  },
  inbound: {
    unixSockets: {
      doc: "Directories of unix sockets that calls from the mesh may be delivered to by the ingress of Sidecars, such as /run/shop. The agent connects with its own rights, as root mostly, and whoever may write a Sidecar of the mesh chooses the socket: name none that has sockets of the system's own, as /run has.",
      format: directoryList,
      default: [] as string[],
      env: 'WEFT_AGENT_INBOUND_UNIX_SOCKETS',
    },
  },
  health: {
    exec: {
      doc: "Whether health checks that are commands are run here. They run with this agent's rights, as root mostly, and whoever may write a WorkloadGroup, WorkloadEntry or registry file of the mesh decides which: allow it only where all of them may be root on this host.",
      format: Boolean,
      default: false,
      env: 'WEFT_AGENT_HEALTH_EXEC',
    },
  },
  register: {
    group: {
      doc: 'WorkloadGroup, as <namespace>/<name>, that this host registers itself as a workload of while its agent runs; empty registers nothing.',
      format: String,
      default: '',
      env: 'WEFT_AGENT_REGISTER_GROUP',
    },
    name: {
      doc: "Name of that workload; empty means the host's name in the mesh.",
      format: String,
      default: '',
      env: 'WEFT_AGENT_REGISTER_NAME',
    },
    address: {
      doc: 'Address of that workload; empty means the one from which this host reaches the server.',
      format: String,
      default: '',
      env: 'WEFT_AGENT_REGISTER_ADDRESS',
    },
    ports: {
      doc: "Ports of that workload where they are not the group's, such as http=8080.",
      format: registeredPorts,
      default: [] as string[],
      env: 'WEFT_AGENT_REGISTER_PORTS',
    },
  },
  workloadApi: {
    socket: {
      doc: 'Unix socket for the SPIFFE Workload API, such as /run/weft/workload.sock, where the processes of workloads get their own certificates and keys; empty serves none. See docs/workload-api.md.',
      format: socketPath,
      default: '',
      env: 'WEFT_AGENT_WORKLOAD_API_SOCKET',
    },
  },
  flows: {
    report: {
      doc: 'Whether the server is told who calls the workloads of this host: identities, networks, ports, methods and paths without ids, never a token. weft plan needs it.',
      format: Boolean,
      default: true,
      env: 'WEFT_AGENT_FLOWS_REPORT',
    },
    intervalMs: {
      doc: 'How often the server is told, in milliseconds, where there is news.',
      format: 'nat',
      default: 30_000,
      env: 'WEFT_AGENT_FLOWS_INTERVAL_MS',
    },
  },
  drainDeadlineMs: {
    doc: 'How long open connections may go on after SIGTERM, in milliseconds.',
    format: 'nat',
    default: 15_000,
    env: 'WEFT_AGENT_DRAIN_DEADLINE_MS',
  },
  accessLog: {
    doc: 'File for one line per connection and per HTTP request; - is standard output, empty writes none.',
    format: String,
    default: '-',
    env: 'WEFT_AGENT_ACCESS_LOG',
    arg: 'access-log',
  },
  accessLogEncoding: {
    doc: "How HTTP requests are written, in Istio's formats: TEXT or JSON. The mesh's settings come before it; connections are JSON always.",
    format: ['TEXT', 'JSON'],
    default: 'JSON',
    env: 'WEFT_AGENT_ACCESS_LOG_ENCODING',
  },
  logLevel: {
    doc: "The agent's own log: debug, info, warn, error or silent.",
    format: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    env: 'WEFT_AGENT_LOG_LEVEL',
    arg: 'log-level',
  },
  adminSocket: {
    doc: 'Unix socket for its owner only: HTTP with GET /status, GET /config, POST /drain, /register, /deregister, /maintain and /identity.',
    format: String,
    default: '/run/weft/agent.sock',
    env: 'WEFT_AGENT_ADMIN_SOCKET',
    arg: 'admin-socket',
  },
} as const satisfies SettingsTree

function metricPrefix(value: unknown): void {
  const good = typeof value === 'string' && /^[a-z][a-z0-9]*(?:_[a-z0-9]+)*$/.test(value)
  if (!good) throw new TypeError('must be lower-case letters, digits and single underscores, such as istio')
}

function portList(value: unknown): void {
  const good = (port: unknown) => typeof port === 'number' && Number.isInteger(port) && port >= 1 && port <= 65535
  if (!Array.isArray(value) || !value.every(good)) throw new TypeError('must be a list of ports from 1 to 65535')
}

function rangeList(value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError('must be a list of prefixes')
  createRanges(value)
}

function directoryList(value: unknown): void {
  const isDirectory = (text: unknown) => typeof text === 'string' && isAbsolute(text) && normalize(text) === text
  if (!Array.isArray(value) || !value.every(isDirectory)) throw new TypeError('must be a list of directories in full')
  if (value.includes('/')) throw new TypeError('must not be the whole file system')
}

function socketPath(value: unknown): void {
  const good = typeof value === 'string' && (value === '' || (isAbsolute(value) && normalize(value) === value))
  if (!good) throw new TypeError('must be the path of a socket in full')
}

function upstreamList(value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError('must be a list of resolvers')
  for (const upstream of value) parseUpstream(String(upstream))
}

function registeredPorts(value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError('must be a list of ports such as http=8080')
  parsePorts(value.map(String))
}
