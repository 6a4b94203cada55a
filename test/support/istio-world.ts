import { parse } from 'yaml'
import type { Protocol } from '../../mesh/model/service.ts'
import type { Config } from '../../mesh/model/traffic.ts'
import type { RoutableService, RoutingWorld } from '../../mesh/routing/world.ts'
import type { RecordedWorld } from './istio-recordings.ts'

interface Document {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace: string; readonly creationTimestamp?: string }
  readonly spec: unknown
}

/** A recorded case as the world that routing decides by. */
export function recordedWorld({ services, configs, rootNamespace }: RecordedWorld): RoutingWorld {
  const documents = configs.map((text): Document => parse(text))
  function of<Spec>(kind: string): Config<Spec>[] {
    return documents.filter(document => document.kind === kind).map(config<Spec>)
  }
  return {
    services: services.map(service),
    domain: 'svc.cluster.local',
    traffic: {
      rootNamespace,
      virtualServices: of('VirtualService'),
      destinationRules: of('DestinationRule'),
      sidecars: of('Sidecar'),
      mesh: {},
    },
  }
}

const protocols: Readonly<Record<string, Protocol>> = {
  HTTP: 'http',
  GRPC: 'grpc',
  HTTP2: 'http2',
  TCP: 'tcp',
  TLS: 'tls',
}

function service({
  hostname,
  namespace,
  address,
  exportTo,
  ports,
}: RecordedWorld['services'][number]): RoutableService {
  const [name = hostname] = hostname.split('.')
  return {
    namespace,
    name,
    hosts: [hostname],
    addresses: [address],
    ports: ports.map(({ name, port, protocol }) => ({ name, port, protocol: protocols[protocol] ?? 'tcp' })),
    exportTo,
  }
}

function config<Spec>({ metadata, spec }: Document): Config<Spec> {
  const { name, namespace, creationTimestamp } = metadata
  // recorded documents were accepted by Istio: their specs have the shape of their kind
  return { name, namespace, createdAt: Date.parse(creationTimestamp ?? '1970-01-01T00:00:00Z'), spec: spec as Spec }
}
