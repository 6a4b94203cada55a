import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import { MeshError } from '../../mesh/std/errors.ts'
import { version } from '../../mesh/std/version.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import type { AgentSettings } from '../config.ts'
import { startCaptureFollower } from '../control/capture-follower.ts'
import { startDnsFollower } from '../control/dns-follower.ts'
import { createNameLookUp } from '../control/name-look-up.ts'
import { startDataPlane } from '../dataplane/start.ts'
import { startDns } from '../dns/dns.ts'
import { createLookUp } from '../dns/look-up.ts'
import { startCapture } from '../intercept/capture.ts'
import { nameOfNode } from '../registration/declared.ts'
import { createSpanExporter } from '../telemetry/otlp.ts'
import type { AgentDeps } from './deps.ts'
import type { Lifetime } from './lifetime.ts'

export interface TrafficDeps extends AgentDeps {
  readonly lifetime: Pick<Lifetime, 'started' | 'fail'>
  /** The config in use; undefined before the first. */
  readonly inUse: Watch<AgentConfig | undefined>
}

/**
 * Starts what touches the connections of this host: capture, data threads with what they ask the control thread for,
 * and DNS. Nothing listens and nothing is captured before the first config.
 */
export async function startTraffic(deps: TrafficDeps, settings: AgentSettings) {
  const { log, inUse, lifetime } = deps
  const { started } = lifetime
  // First of all: sockets made before this would not be exempt from the rules.
  const capture = await startCaptureFollower(
    {
      ...deps,
      start: () =>
        startCapture(deps, {
          node: settings.node,
          mode: settings.capture.mode,
          onAgentDown: settings.capture.onAgentDown,
          excludePorts: settings.capture.excludePorts,
          excludeDestinations: settings.capture.excludeCidrs,
        }),
    },
    settings,
  )
  const spans = createSpanExporter(deps, nameOfNode(settings.node), version)
  started.add(() => spans.stop())
  const names = createNameLookUp({
    lookUp: createLookUp(settings.dns.upstreams),
    virtualIpRanges: () => inUse.value?.host.virtualIpRanges ?? [],
  })
  started.add(() => names.stop())
  const dataPlane = startDataPlane(
    {
      log,
      failed: cause => lifetime.fail(new MeshError('WEFT_AGENT_FAILED', 'a data thread ended by itself', { cause })),
      spans: finished => spans.add(finished),
      lookUp: name => names.find(name),
    },
    {
      threads: settings.threads,
      accessLogEncoding: settings.accessLogEncoding,
      socketDirectories: settings.inbound.unixSockets,
      recordsFlows: settings.flows.report,
      credentialDirectory: settings.credentials.directory,
      ...(settings.accessLog !== '' && { accessLog: settings.accessLog }),
    },
  )
  started.add(() => dataPlane.stop())
  started.add(() => capture.stop())
  const dns = await startDnsFollower({ ...deps, start: options => startDns(deps, options) }, settings)
  started.add(() => dns.stop())
  return { capture, spans, dataPlane, dns }
}
