import type { MeshSettingsSpec, SidecarSpec } from '../model/traffic.ts'
import { connectionPool, localityLb, tcpKeepalive } from './destination-rule-shape.ts'
import { duration, listOf, mapOf, objectOf, oneOf, percent, port, text } from './shape.ts'
import { retries } from './virtual-service-shape.ts'

type Part<T, Key extends keyof T> = Exclude<T[Key], undefined>
type Ingress = Part<SidecarSpec, 'ingress'>[number]
type Egress = Part<SidecarSpec, 'egress'>[number]

const outboundTrafficPolicy = objectOf<Part<SidecarSpec, 'outboundTrafficPolicy'>>({
  mode: oneOf('REGISTRY_ONLY', 'ALLOW_ANY'),
})

const tlsVersion = oneOf('TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3')

/** A Sidecar's spec as it travels. */
export const sidecar = objectOf<SidecarSpec>({
  workloadSelector: objectOf<Part<SidecarSpec, 'workloadSelector'>>({ labels: mapOf(text) }),
  egress: listOf(
    objectOf<Egress>({
      port: objectOf<Part<Egress, 'port'>>({ number: port, name: text, protocol: text }),
      hosts: listOf(text),
      captureMode: oneOf('DEFAULT', 'IPTABLES', 'NONE'),
      bind: text,
    }),
  ),
  ingress: listOf(
    objectOf<Ingress>(
      {
        port: objectOf<Part<Ingress, 'port'>>({ number: port, name: text, protocol: text }),
        defaultEndpoint: text,
        bind: text,
        connectionPool,
        tls: objectOf<Part<Ingress, 'tls'>>({
          mode: oneOf('PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL'),
          serverCertificate: text,
          privateKey: text,
          caCertificates: text,
          caCrl: text,
          minProtocolVersion: tlsVersion,
          maxProtocolVersion: tlsVersion,
          cipherSuites: listOf(text),
        }),
      },
      ['captureMode'],
    ),
  ),
  outboundTrafficPolicy,
  inboundConnectionPool: connectionPool,
})

/** The mesh's settings as they travel. */
export const meshSettings = objectOf<MeshSettingsSpec>({
  outboundTrafficPolicy,
  defaultHttpRetryPolicy: retries,
  localityLbSetting: localityLb,
  connectTimeout: duration,
  tcpKeepalive,
  pathNormalization: objectOf<Part<MeshSettingsSpec, 'pathNormalization'>>({
    normalization: oneOf('DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'),
  }),
  trustDomainAliases: listOf(text),
  accessLogEncoding: oneOf('TEXT', 'JSON'),
  tracing: objectOf<Part<MeshSettingsSpec, 'tracing'>>({ otlpEndpoint: text, sampling: percent }),
})
