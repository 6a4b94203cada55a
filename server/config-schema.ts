import { isIP } from 'node:net'
import { workloadSpiffeId } from '../mesh/identity/spiffe-id.ts'
import { createRanges } from '../mesh/std/ip-ranges.ts'
import type { SettingsTree } from '../mesh/std/settings.ts'
import { parseAllowed } from './outbound-url.ts'

/**
 * Every setting of a server. This is the only list: the loader, the reference page and its test all read it. Each
 * environment variable is `WEFT_SERVER_` and the key's path in capitals.
 */
export const serverSettings = {
  name: {
    doc: "This server's name, as agents and operators see it; empty means the system's host name.",
    format: String,
    default: '',
    env: 'WEFT_SERVER_NAME',
    arg: 'name',
  },
  trustDomain: {
    doc: 'Trust domain of all identities. It is written into every certificate and cannot be changed later.',
    format: trustDomain,
    default: 'mesh.local',
    env: 'WEFT_SERVER_TRUST_DOMAIN',
    arg: 'trust-domain',
  },
  dataDir: {
    doc: "Directory of the store, the authority's keys and the last view of each registry. Back it up.",
    format: String,
    default: '/var/lib/weft/server',
    env: 'WEFT_SERVER_DATA_DIR',
    arg: 'data-dir',
  },
  passphraseFile: {
    doc: "File with the passphrase that encrypts the authority's private keys; empty keeps them as files of mode 0600.",
    format: String,
    default: '',
    env: 'WEFT_SERVER_PASSPHRASE_FILE',
    arg: 'passphrase-file',
  },
  listen: {
    host: {
      doc: 'Address for agents and for the API; :: is every address of both families.',
      format: String,
      default: '0.0.0.0',
      env: 'WEFT_SERVER_LISTEN_HOST',
      arg: 'listen',
    },
    websocketPort: {
      doc: 'Agents over WebSocket, mutual TLS.',
      format: 'port',
      default: 15011,
      env: 'WEFT_SERVER_LISTEN_WEBSOCKET_PORT',
    },
    grpcPort: {
      doc: 'Agents over gRPC, mutual TLS.',
      format: 'port',
      default: 15012,
      env: 'WEFT_SERVER_LISTEN_GRPC_PORT',
    },
    apiPort: {
      doc: 'HTTPS API for the command line and for hosts that join.',
      format: 'port',
      default: 15443,
      env: 'WEFT_SERVER_LISTEN_API_PORT',
    },
    apiNames: {
      doc: "Names by which the API may be called, such as mesh.example.com; addresses, localhost, this server's name and the system's host name always may, and Weft's own programs need none.",
      format: dnsNames,
      default: [] as string[],
      env: 'WEFT_SERVER_LISTEN_API_NAMES',
    },
    metricsHost: {
      doc: 'Address for metrics and health checks.',
      format: String,
      default: '0.0.0.0',
      env: 'WEFT_SERVER_LISTEN_METRICS_HOST',
    },
    metricsPort: {
      doc: 'Prometheus metrics at /metrics, health at /healthz and /readyz, plain HTTP.',
      format: 'port',
      default: 15014,
      env: 'WEFT_SERVER_LISTEN_METRICS_PORT',
    },
  },
  leafTtlSeconds: {
    doc: 'Lifetime of the certificates that agents get, from 60 seconds to 90 days. They are renewed at half of it.',
    format: within(60, 90 * 86_400),
    default: 86_400,
    env: 'WEFT_SERVER_LEAF_TTL_SECONDS',
  },
  virtualIps: {
    ipv4: {
      doc: 'Range of the IPv4 virtual IPs, /8 to /24. Every service has one for good; a smaller range has room for fewer.',
      format: cidr(4, 8, 24),
      default: '240.240.0.0/16',
      env: 'WEFT_SERVER_VIRTUAL_IPS_IPV4',
    },
    ipv6: {
      doc: 'Range of the IPv6 virtual IPs, /48 to /112; a unique local one (RFC 4193) that nothing else here uses.',
      format: cidr(6, 48, 112),
      default: 'fd77:6566:7400::/64',
      env: 'WEFT_SERVER_VIRTUAL_IPS_IPV6',
    },
  },
  dnsDomain: {
    doc: "Zone of the mesh's own names: <service>.<namespace>.<this>.",
    format: dnsName,
    default: 'mesh',
    env: 'WEFT_SERVER_DNS_DOMAIN',
  },
  rootNamespace: {
    doc: 'Namespace whose policies hold for the whole mesh.',
    format: dnsName,
    default: 'weft-system',
    env: 'WEFT_SERVER_ROOT_NAMESPACE',
  },
  defaultIdentity: {
    doc: 'Identity of callers that belong to no workload, <namespace>/<service-account>, on hosts that may hold it; empty refuses such callers.',
    format: identityOrEmpty,
    default: '',
    env: 'WEFT_SERVER_DEFAULT_IDENTITY',
  },
  registries: {
    doc: 'Where services are found: a list of mappings, each with a name, a kind (static, consul, nomad, kubernetes or plugin) and the options of that kind. The environment variable takes JSON.',
    format: Array,
    default: [] as object[],
    env: 'WEFT_SERVER_REGISTRIES',
  },
  attestors: {
    doc: 'Evidence that hosts may join with, besides join tokens: a list of mappings, one a kind, each with its options; see docs/join.md. The environment variable takes JSON.',
    format: Array,
    default: [] as object[],
    env: 'WEFT_SERVER_ATTESTORS',
  },
  merge: {
    rule: {
      doc: 'What holds when two registries speak of one service: error (the first in this file wins, and the collision is reported), union, or prefer:<registry>.',
      format: String,
      default: 'error',
      env: 'WEFT_SERVER_MERGE_RULE',
    },
    services: {
      doc: 'Exceptions to it, as <namespace>/<service>=<rule>, where * stands for any text. A ServiceMerge resource goes before both.',
      format: Array,
      default: [] as string[],
      env: 'WEFT_SERVER_MERGE_SERVICES',
    },
  },
  massRemoval: {
    percent: {
      doc: 'When more than this share of the workloads or services of a registry disappears, they are held until that is confirmed by time or with weft registries confirm; 100 never holds.',
      format: within(1, 100),
      default: 50,
      env: 'WEFT_SERVER_MASS_REMOVAL_PERCENT',
    },
    minimum: {
      doc: 'Registries with fewer items are always believed.',
      format: 'nat',
      default: 4,
      env: 'WEFT_SERVER_MASS_REMOVAL_MINIMUM',
    },
    windowSeconds: {
      doc: 'Losses within this time count together.',
      format: 'nat',
      default: 60,
      env: 'WEFT_SERVER_MASS_REMOVAL_WINDOW_SECONDS',
    },
    confirmSeconds: {
      doc: 'How long a disappearance must last to be believed; what still answers stays until weft registries confirm.',
      format: 'nat',
      default: 600,
      env: 'WEFT_SERVER_MASS_REMOVAL_CONFIRM_SECONDS',
    },
    serviceMinimum: {
      doc: 'A service that loses all its endpoints in one step is held too when it had at least this many.',
      format: 'nat',
      default: 3,
      env: 'WEFT_SERVER_MASS_REMOVAL_SERVICE_MINIMUM',
    },
  },
  register: {
    graceSeconds: {
      doc: 'How long what a host registers itself outlives the connection of its agent; a minute at least after a start of this server.',
      format: 'nat',
      default: 10,
      env: 'WEFT_SERVER_REGISTER_GRACE_SECONDS',
    },
    addresses: {
      doc: 'Ranges that the address of what a host registers must be in, such as 10.1.0.0/16; none allows every address that nobody else has.',
      format: ranges,
      default: [] as string[],
      env: 'WEFT_SERVER_REGISTER_ADDRESSES',
    },
  },
  outboundUrls: {
    allow: {
      doc: 'Addresses, ranges and host names that URLs of resources may lead to although they are of this host, its link or a metadata service, such as 127.0.0.1 or id.example.',
      format: outbound,
      default: [] as string[],
      env: 'WEFT_SERVER_OUTBOUND_URLS_ALLOW',
    },
    authoritiesFile: {
      doc: 'PEM file of authorities that servers behind such URLs may have besides those that the system trusts; empty for none.',
      format: String,
      default: '',
      env: 'WEFT_SERVER_OUTBOUND_URLS_AUTHORITIES_FILE',
    },
  },
  logLevel: {
    doc: "The server's own log: debug, info, warn, error or silent.",
    format: ['debug', 'info', 'warn', 'error', 'silent'],
    default: 'info',
    env: 'WEFT_SERVER_LOG_LEVEL',
    arg: 'log-level',
  },
} as const satisfies SettingsTree

function within(least: number, most: number): (value: unknown) => void {
  return value => {
    if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return
    throw new TypeError(`must be a whole number from ${least} to ${most}`)
  }
}

function cidr(family: 4 | 6, widest: number, narrowest: number): (value: unknown) => void {
  return value => {
    const [network = '', bits = '', more] = String(value).split('/')
    const prefix = /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN
    if (more === undefined && isIP(network) === family && prefix >= widest && prefix <= narrowest) return
    throw new TypeError(`must be an IPv${family} range from /${widest} to /${narrowest}`)
  }
}

function ranges(value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError('must be a list of ranges')
  createRanges(value)
}

function outbound(value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError('must be a list of addresses, ranges and host names')
  parseAllowed(value)
}

function trustDomain(value: unknown): void {
  // SPIFFE-ID section 2.1: lower-case letters, digits, dots, dashes and underscores, 255 bytes at most
  if (typeof value === 'string' && /^[a-z0-9._-]{1,255}$/.test(value)) return
  throw new TypeError('must be a trust domain: lower-case letters, digits, dots, dashes, underscores')
}

function dnsName(value: unknown): void {
  const label = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/
  if (typeof value === 'string' && value.length <= 253 && value.split('.').every(part => label.test(part))) return
  throw new TypeError('must be a lower-case DNS name')
}

function dnsNames(value: unknown): void {
  if (!Array.isArray(value)) throw new TypeError('must be a list of DNS names')
  for (const name of value) dnsName(name)
}

function identityOrEmpty(value: unknown): void {
  const [namespace = '', serviceAccount = '', more] = String(value).split('/')
  if (value === '') return
  if (more !== undefined) throw new TypeError('must be <namespace>/<service-account>')
  workloadSpiffeId('mesh.local', namespace, serviceAccount)
}
