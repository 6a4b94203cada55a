import type { Setting, SettingsTree } from '../mesh/std/settings.ts'

/** The options of one kind of attestor, besides `kind`. */
export interface AttestorKind {
  readonly options: SettingsTree
  /** Options that have no default. */
  readonly required: readonly string[]
  /** Options of which exactly one must be given. */
  readonly oneOf?: readonly string[]
}

const keyOptions = {
  jwks: option('The key set itself, JSON.', ''),
  jwksFile: option('File with the key set, read again when a token names a key that is not in it.', ''),
  jwksUrl: option('URL of the key set.', ''),
}

const tlsOptions = (what: string) => ({
  caFile: option(`File with the certificate authorities of ${what}'s certificate, PEM.`, ''),
  certFile: option(`File with the client certificate for ${what}, PEM.`, ''),
  keyFile: option('File with the key of that certificate, PEM.', ''),
})

const tokenOptions = {
  audience: option('The only audience that tokens may have, such as mesh.example.com.', ''),
  issuer: option('The issuer that tokens must name exactly; empty where the issuer writes none.', ''),
  maxLifeSeconds: option('Longest time from issue to expiry that tokens may have.', 86_400),
  allowNoExpiry: option('Whether tokens without expiry are taken, for maxLifeSeconds after their issue.', false),
}

/** Every kind of attestor with all its options: read by the loader, the reference page and its test. */
export const attestorKinds = {
  nomad: {
    options: {
      address: option(
        'URL of a Nomad agent, as for a registry: which node an allocation runs on is asked there, at each join.',
        '',
      ),
      region: option("Region to ask about; empty means the agent's own.", ''),
      tokenFile: option('File with an ACL token that may read jobs of all namespaces and nodes; empty sends none.', ''),
      ...tlsOptions('Nomad'),
      tlsServerName: option("Name that Nomad's certificate must have; empty means that of the address.", ''),
      ...keyOptions,
      ...tokenOptions,
      nodeIdentities: option(
        "Whether the identities of Nomad's own clients are taken, besides those of workloads.",
        false,
      ),
    },
    required: ['address', 'audience'],
    oneOf: ['jwks', 'jwksFile', 'jwksUrl'],
  },
  kubernetes: {
    options: {
      kubeconfig: option('Kubeconfig file; empty means the service account of the pod this server runs in.', ''),
      context: option('Context of the kubeconfig; empty means its current one.', ''),
      ...tlsOptions('the URL'),
      tlsServerName: option(
        "Name that the certificate of the URL's server must have; empty means that of the URL.",
        '',
      ),
      ...keyOptions,
      ...tokenOptions,
    },
    required: ['audience', 'issuer'],
    oneOf: ['jwks', 'jwksFile', 'jwksUrl'],
  },
  consul: {
    options: {
      address: option(
        'URL of a Consul agent or server; it is asked with the token of the host, and with no other.',
        '',
      ),
      ...tlsOptions('Consul'),
    },
    required: ['address'],
  },
  gcp: {
    options: {
      ...tlsOptions('the URL'),
      tlsServerName: option(
        "Name that the certificate of the URL's server must have; empty means that of the URL.",
        '',
      ),
      ...keyOptions,
      ...tokenOptions,
      issuer: option('The issuer that tokens must name exactly.', 'https://accounts.google.com'),
      maxLifeSeconds: option('Longest time from issue to expiry that tokens may have.', 3_600),
    },
    required: ['audience'],
    oneOf: ['jwks', 'jwksFile', 'jwksUrl'],
  },
  x509: {
    options: {
      authoritiesFile: option('File with the authorities of host certificates, PEM.', ''),
      domain: option(
        "What follows a node's name in the DNS name of its certificate, as hosts.example; empty when that is the whole name.",
        '',
      ),
    },
    required: ['authoritiesFile'],
  },
  aws: {
    options: {
      certificatesFile: option("File with AWS's certificates for RSA-2048 signatures of the regions in use, PEM.", ''),
      maxAgeSeconds: option('How long after the start of an instance it may join.', 3_600),
    },
    required: ['certificatesFile'],
  },
  azure: {
    options: {
      authoritiesFile: option("File with the authorities that the metadata service's certificates are below, PEM.", ''),
      domain: option('The name that those certificates have, or are below.', 'metadata.azure.com'),
      maxAgeSeconds: option('Longest time since a document was made.', 3_600),
    },
    required: ['authoritiesFile'],
  },
} as const satisfies Record<string, AttestorKind>

/** `WEFT_SERVER_ATTESTORS` sets the whole list, so that an option has no environment variable of its own. */
function option<T extends string | boolean | number>(doc: string, value: T): Setting & { readonly default: T } {
  return { doc, default: value, format: value.constructor, env: '' }
}
