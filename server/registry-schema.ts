import type { Setting, SettingsTree } from '../mesh/std/settings.ts'

/** The options of one kind of registry, besides `name` and `kind`. */
export interface RegistryKind {
  readonly options: SettingsTree
  /** Options that have no default. */
  readonly required: readonly string[]
  /** Options of which at least one must be given. */
  readonly oneOf?: readonly string[]
}

/** Options of registries of every kind. */
export const commonOptions = {
  mapping: {
    name: option('What its services are called: text with {name}, {namespace} and {registry}.', '{name}'),
    namespace: option(
      'Namespace of its services and workloads: text with {namespace} and {registry}. Identities change with it.',
      '{namespace}',
    ),
    hosts: listOption('Further names of every service: texts with {name}, {namespace} and {registry}.'),
  },
} as const satisfies SettingsTree

/** Every kind of registry with all its options: read by the loader, the reference page and its test. */
export const registryKinds = {
  static: {
    options: {
      directory: option('Directory of YAML or JSON files: WorkloadEntry, ServiceEntry, or the short form.', ''),
      files: listOption(
        'Further files, directories and globs (/etc/weft/services/*.yaml, or ** for directories at any depth). One of directory and files is required.',
      ),
    },
    required: [],
    oneOf: ['directory', 'files'],
  },
  consul: {
    options: {
      address: option('URL of a Consul agent: http://127.0.0.1:8500, or https with the three files below.', ''),
      addresses: listOption(
        'URLs of several agents or servers of one datacentre instead: the first that answers is asked. One of address and addresses is required.',
      ),
      datacenter: option("Datacentre to read; empty means the agent's own.", ''),
      consulNamespace: option('Namespace of Consul Enterprise to read; empty elsewhere.', ''),
      partition: option('Admin partition of Consul Enterprise to read; empty elsewhere.', ''),
      services: listOption(
        'Services to follow: names, or tags as tag:<tag>; * stands for any text. None means all of them.',
      ),
      excludeServices: listOption('Services not to follow, in the same form.'),
      filter: option('Which instances to take, in the filter language of Consul: "mesh" in Service.Tags.', ''),
      addressTag: option(
        'Which tagged address to use where an instance or its node has one: lan, wan, lan_ipv6; empty means none.',
        '',
      ),
      tokenFile: option('File with an ACL token that may read services and nodes; empty sends none.', ''),
      loginMethod: option('Name of an auth method that gives such a token instead; empty logs in nowhere.', ''),
      loginBearerTokenFile: option('File with the bearer token (a JWT) for that auth method.', ''),
      caFile: option("File with the certificate authorities of Consul's certificate, PEM.", ''),
      certFile: option('File with the client certificate for Consul, PEM.', ''),
      keyFile: option('File with the key of that certificate, PEM.', ''),
      stale: option('Whether any Consul server may answer, not only the leader.', false),
      namespace: option('Namespace of services that name none in their meta.', 'default'),
      serviceAccounts: option(
        'Identity of instances that name none in their meta: none (they are outside the mesh) or service-name.',
        'none',
      ),
      trustCallers: option(
        'Whether instances may say which local processes they are (uid, user, unit, cgroup): those get their identity.',
        false,
      ),
      writeHealth: option(
        'Whether what the mesh’s own checks find is written back as a TTL check, to the agent at address.',
        false,
      ),
      maxOpenQueries: option('Most requests that are open at once, at least 6.', 64),
    },
    required: [],
    oneOf: ['address', 'addresses'],
  },
  kubernetes: {
    options: {
      kubeconfig: option('Kubeconfig file; empty means the service account of the pod this server runs in.', ''),
      context: option('Context of the kubeconfig; empty means its current one.', ''),
      allowExec: option('Whether the kubeconfig may name a command that gives the credentials.', false),
      namespaces: listOption('Namespaces to read; none means all, which needs rights in the whole cluster.'),
      labelSelector: option('Which Services to read, as kubectl -l takes it; empty means all.', ''),
      clusterName: option('Name of the cluster: the label topology.istio.io/cluster of its workloads.', ''),
      clusterDomain: option("Zone of the cluster's DNS.", 'cluster.local'),
      serviceAccounts: option(
        'Identity of pods that name none in an annotation: none (they are outside the mesh) or pods (their service account).',
        'none',
      ),
      nodeAgents: option("Whether agents run on the cluster's nodes, called as the nodes are.", false),
      nodes: option('Whether Nodes are read for region and zone; needs a right in the whole cluster.', false),
      istio: option("Whether Istio's ServiceEntry, WorkloadEntry and WorkloadGroup of the cluster are read.", false),
      trustCallers: option(
        'Whether WorkloadEntries may say which local processes they are (uid, user, unit, cgroup): those get their identity.',
        false,
      ),
    },
    required: [],
  },
  nomad: {
    options: {
      address: option('URL of a Nomad agent: http://127.0.0.1:4646, https, or unix:// and the path of api.sock.', ''),
      region: option("Region to read; empty means the agent's own.", ''),
      namespaces: listOption(
        'Namespaces of Nomad to read, each as it is or with that of the mesh: payments=shop, and * for all others. None means all, as they are.',
      ),
      tokenFile: option('File with an ACL token that may read jobs and nodes; empty sends none.', ''),
      caFile: option("File with the certificate authorities of Nomad's certificate, PEM.", ''),
      certFile: option('File with the client certificate for Nomad, PEM.', ''),
      keyFile: option('File with the key of that certificate, PEM.', ''),
      tlsServerName: option(
        "Name that Nomad's certificate must have, such as server.global.nomad; empty means that of the address.",
        '',
      ),
      stale: option('Whether any Nomad server may answer where the leader need not.', false),
      serviceAccounts: option(
        'Identity of instances that name none: none (they are outside the mesh), service-name or job.',
        'none',
      ),
      trustCallers: option(
        'Whether jobs may say which local processes they are (uid, user, unit, cgroup): those get their identity.',
        false,
      ),
      maxOpenQueries: option('Most requests that are open at once, 5 to 90.', 16),
      checkPeriodSeconds: option('How often the native checks of an allocation are read, 1 to 600.', 5),
    },
    required: ['address'],
  },
  plugin: {
    options: {
      package: option('Name of the npm package that has the adapter.', ''),
      options: mappingOption('Options of the adapter, as its package documents them.'),
      pluginDir: option(
        "Directory in which the package is installed; empty means the server's own installation, then the directory of this file.",
        '',
      ),
      trustCallers: option(
        'Whether the adapter may say which local processes its workloads are (uid, user, cgroup): those get their identity.',
        false,
      ),
    },
    required: ['package'],
  },
} as const satisfies Record<string, RegistryKind>

/** An option has no environment variable of its own: `WEFT_SERVER_REGISTRIES` sets the whole list. */
function option<T extends string | boolean | number>(doc: string, value: T): Setting & { readonly default: T } {
  return { doc, default: value, format: value.constructor, env: '' }
}

function listOption(doc: string): Setting & { readonly default: string[] } {
  return { doc, default: [], format: Array, items: 'string', env: '' }
}

function mappingOption(doc: string): Setting & { readonly default: Readonly<Record<string, unknown>> } {
  return { doc, default: {}, format: Object, env: '' }
}
