import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Started } from '../../mesh/std/lifecycle.ts'
import { createCgroupTree } from './cgroups.ts'
import { must, run } from './commands.ts'
import { createHost, type Host } from './host.ts'
import { sweepOnExit } from './sweep.ts'
import { createWire, type Wire } from './wire.ts'

/**
 * Worlds of hosts for tests: each host a network namespace, all cables in one more namespace where packets are
 * counted. Needs root and fails without it; everything made is removed at the end of the test, also after a failure.
 */

export interface WorldOptions<Name extends string> {
  readonly hosts: readonly Name[]
  /** Each host in a subnet of its own, joined by a router, instead of all on one bridge. */
  readonly router?: boolean
  /** Leave hosts without a default route; they reach each other all the same. */
  readonly noDefaultRoute?: boolean
}

export interface World<Name extends string> extends Wire {
  readonly hosts: Readonly<Record<Name, Host>>
  /** A directory that any user can read, gone with the world. */
  readonly directory: string
  /** Takes everything away; called by itself at the end of the test. Twice is harmless. */
  stop(): Promise<void>
}

interface Subnet {
  readonly host4: string
  readonly host6: string
  readonly gateway4: string
  readonly gateway6: string
}

let worlds = 0

/**
 * Makes hosts, wired and with an address of each family: `world.hosts.h1.exec('curl', [...])`. On a bridge they are
 * 10.77.0.11, .12, ... and fd77::11, ...; behind a router 10.77.1.2, 10.77.2.2, ... and fd77:0:0:1::2, ...
 */
export async function createWorld<Name extends string>(
  t: { teardown(run: () => unknown): unknown },
  options: WorldOptions<Name>,
): Promise<World<Name>> {
  await requireTools()
  worlds += 1
  const name = `weft-${process.pid}-${worlds}`
  const started = new Started()
  t.teardown(() => started.stop())
  const directory = mkdtempSync(join(tmpdir(), `${name}-`))
  started.add(sweepOnExit(name, directory))
  started.add(() => rmSync(directory, { recursive: true, force: true }))
  await must('chmod', ['755', directory])
  const cgroups = createCgroupTree(name)
  started.add(() => cgroups.remove())

  const net = `${name}-net`
  await namespace(net)
  started.add(() => must('ip', ['netns', 'delete', net]))
  await (options.router === true ? asRouter(net) : asBridge(net))

  const hosts = new Map<string, Host>()
  for (const [index, hostName] of options.hosts.entries()) {
    const own = `${name}-${hostName}`
    const device = `to-${hostName}`.slice(0, 15)
    const subnet = options.router === true ? routedSubnet(index) : bridgedSubnet(index)
    await namespace(own)
    const host = createHost({
      name: hostName,
      namespace: own,
      wire: { namespace: net, device },
      address4: subnet.host4,
      address6: subnet.host6,
      cgroups,
      directory,
    })
    hosts.set(hostName, host)
    started.add(() => host.end())
    await must('ip', ['link', 'add', device, 'netns', net, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', own])
    await wire(own, net, device, subnet, options)
  }
  const stop = () => started.stop()
  return { hosts: Object.fromEntries(hosts) as Record<Name, Host>, directory, stop, ...createWire(net) }
}

async function requireTools(): Promise<void> {
  if (process.getuid?.() !== 0) throw new Error('network namespaces need root: run this test as root')
  const needed = ['ip', 'nsenter', 'unshare', 'setpriv', 'iptables', 'ip6tables', 'ipset']
  const folders = ['/usr/sbin', '/usr/bin', '/sbin', '/bin', ...(process.env.PATH ?? '').split(':')]
  const missing = needed.filter(tool => !folders.some(folder => existsSync(join(folder, tool))))
  if (missing.length > 0) {
    throw new Error(`missing ${missing.join(', ')}: apt-get install iproute2 iptables ipset conntrack util-linux`)
  }
}

/** Makes a namespace with its loopback up and without duplicate address detection, which costs a second per address. */
async function namespace(name: string): Promise<void> {
  await must('ip', ['netns', 'add', name])
  await sysctl(name, { 'net/ipv6/conf/all/accept_dad': 0, 'net/ipv6/conf/default/accept_dad': 0 })
  await must('ip', ['-n', name, 'link', 'set', 'lo', 'up'])
}

async function sysctl(name: string, values: Readonly<Record<string, number>>): Promise<void> {
  const script = Object.entries(values).map(([key, value]) => `echo ${value} >/proc/sys/${key}`)
  await must('nsenter', [`--net=/run/netns/${name}`, 'sh', '-e', '-c', script.join('\n')])
}

async function asRouter(net: string): Promise<void> {
  await sysctl(net, { 'net/ipv4/ip_forward': 1, 'net/ipv6/conf/all/forwarding': 1 })
}

async function asBridge(net: string): Promise<void> {
  if (!existsSync('/proc/sys/net/bridge')) await run('modprobe', ['br_netfilter'])
  await must('ip', ['-n', net, 'link', 'add', 'br0', 'type', 'bridge'])
  // bridged packets cross FORWARD only with these; without them no marker would ever count
  await sysctl(net, { 'net/bridge/bridge-nf-call-iptables': 1, 'net/bridge/bridge-nf-call-ip6tables': 1 })
  await must('ip', ['-n', net, 'address', 'add', '10.77.0.1/24', 'dev', 'br0'])
  await must('ip', ['-n', net, 'address', 'add', 'fd77::1/64', 'dev', 'br0', 'nodad'])
  await must('ip', ['-n', net, 'link', 'set', 'br0', 'up'])
}

function bridgedSubnet(index: number): Subnet {
  const last = index + 11
  return { host4: `10.77.0.${last}`, host6: `fd77::${last}`, gateway4: '10.77.0.1', gateway6: 'fd77::1' }
}

function routedSubnet(index: number): Subnet {
  const third = index + 1
  return {
    host4: `10.77.${third}.2`,
    host6: `fd77:0:0:${third}::2`,
    gateway4: `10.77.${third}.1`,
    gateway6: `fd77:0:0:${third}::1`,
  }
}

async function wire(
  own: string,
  net: string,
  device: string,
  subnet: Subnet,
  options: WorldOptions<string>,
): Promise<void> {
  const inHost = (...args: string[]) => must('ip', ['-n', own, ...args])
  const inNet = (...args: string[]) => must('ip', ['-n', net, ...args])
  if (options.router === true) {
    await inNet('address', 'add', `${subnet.gateway4}/24`, 'dev', device)
    await inNet('address', 'add', `${subnet.gateway6}/64`, 'dev', device, 'nodad')
  } else {
    await inNet('link', 'set', device, 'master', 'br0')
  }
  await inHost('address', 'add', `${subnet.host4}/24`, 'dev', 'eth0')
  await inHost('address', 'add', `${subnet.host6}/64`, 'dev', 'eth0', 'nodad')
  await inNet('link', 'set', device, 'up')
  await inHost('link', 'set', 'eth0', 'up')
  // behind a router the other hosts need a route of their own, so that "no default route" still means a network
  const beyond = options.router === true ? ['10.77.0.0/16', 'fd77::/48'] : []
  for (const target of [...beyond, ...(options.noDefaultRoute === true ? [] : ['default', '::/0'])]) {
    await inHost('route', 'add', target, 'via', target.includes(':') ? subnet.gateway6 : subnet.gateway4)
  }
}
