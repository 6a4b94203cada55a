import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { must } from '../netns/commands.ts'
import type { Host } from '../netns/host.ts'
import { createMesh, type Mesh } from '../netns/mesh.ts'
import { startBackend } from './backend.ts'
import { writeCertificates } from './certificates.ts'
import { clientUid } from './load.ts'
import type { Suite } from './suite.ts'
import type { Address, BenchHosts } from './types.ts'

export type BenchMesh = Mesh<'client' | 'server'>

/** Everything that the subjects share. */
export interface BenchWorld {
  readonly mesh: BenchMesh
  readonly hosts: BenchHosts
  readonly backend: Address
  readonly certificates: string
  readonly directory: string
}

/** The cable between the two hosts, beside the bridge by which they reach Weft's server. */
const cable = { client: '10.99.0.1', server: '10.99.0.2' } as const
const backend: Address = { address: cable.server, port: 9000 }
/** The same over HTTP/2 without TLS. */
const backendHttp2: Address = { address: cable.server, port: 9003 }

function registry(protocol: Suite['protocol'], { address, port }: Address): string {
  return JSON.stringify({
    // a port is called by what it speaks
    services: [{ name: 'backend', ports: { [protocol]: port } }],
    workloads: [
      {
        name: 'backend',
        node: 'server',
        address,
        serviceAccount: 'backend',
        services: { backend: port },
        // nobody: what matters is that it has callers of its own
        uid: 65534,
      },
      { name: 'client', node: 'client', address: cable.client, serviceAccount: 'client', uid: clientUid },
    ],
  })
}

/**
 * Two hosts joined by a veth pair, a backend on one of them, and a mesh with an agent on each: a real server, joined
 * agents, ready to be started and stopped for each repetition. Agents are stopped when this returns, and what they
 * had put on the hosts is gone.
 */
export async function createBenchWorld(
  t: { teardown(run: () => unknown): unknown },
  protocol: Suite['protocol'],
): Promise<BenchWorld> {
  const served = protocol === 'http2' ? backendHttp2 : backend
  const mesh = await createMesh(t, {
    hosts: ['client', 'server'],
    // What is installed is what is measured: from source, Node would carry its TypeScript reader along.
    built: true,
    files: () => ({ 'bench.json': registry(protocol, served) }),
    agent: { threads: 1, capture: { dns: false, onAgentDown: 'open' }, dns: { enabled: false }, logLevel: 'info' },
  })
  const { client, server } = mesh.hosts
  for (const agent of Object.values(mesh.agents)) await agent.kill('SIGTERM')
  await must('ip', [
    ...['link', 'add', 'cable', 'netns', client.namespace, 'type', 'veth'],
    ...['peer', 'name', 'cable', 'netns', server.namespace],
  ])
  await Promise.all([prepare(client, cable.client), prepare(server, cable.server)])
  const certificates = join(mesh.directory, 'certificates')
  mkdirSync(certificates)
  writeCertificates(certificates, Date.now())
  await startBackend(server, { http1: backend, http2: backendHttp2 }, mesh.directory)
  return { mesh, hosts: { client, server }, backend: served, certificates, directory: mesh.directory }
}

/** Gives the host its end of the cable, and settings under which proxies and not the kernel's limits are measured. */
async function prepare(host: Host, address: string): Promise<void> {
  await host.must('ip', ['address', 'add', `${address}/24`, 'dev', 'cable'])
  await host.must('ip', ['link', 'set', 'cable', 'up'])
  const settings = {
    'net/ipv4/ip_local_port_range': '16000 65000',
    'net/ipv4/tcp_tw_reuse': '1',
    'net/ipv4/tcp_max_syn_backlog': '8192',
    'net/core/somaxconn': '8192',
  }
  const lines = Object.entries(settings).map(([name, value]) => `echo '${value}' >/proc/sys/${name}`)
  await host.must('sh', ['-e', '-c', lines.join('\n')])
  await useCubic(host)
}

/**
 * bbr paces by timers, which distorts what proxies cost. A namespace may not change its default, but its routes may
 * each name another algorithm.
 */
async function useCubic(host: Host): Promise<void> {
  for (const table of ['local', 'main']) {
    const routes = await host.must('ip', ['route', 'show', 'table', table])
    for (const route of routes
      .split('\n')
      .filter(line => /^local |dev cable/.test(line) && !line.startsWith('broadcast'))) {
      await host.must('ip', ['route', 'replace', ...route.trim().split(/\s+/), 'table', table, 'congctl', 'cubic'])
    }
  }
}
