import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import type { Trust } from '../../mesh/model/trust.ts'
import { derived } from '../../mesh/std/derived.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { createPlacement } from '../compile/placement.ts'
import type { CompileSettings, KeysOf } from '../compile/settings.ts'
import type { ServerConfig } from '../config.ts'
import type { OwnAuthority } from '../identity/authority.ts'
import { startMtls } from '../mtls.ts'
import { placementVerdict } from '../placement.ts'
import { startViews } from '../push/views.ts'
import type { PartDeps } from './deps.ts'
import type { Sources } from './sources.ts'

export interface CompilingDeps extends Pick<PartDeps, 'clock' | 'log' | 'started'> {
  readonly authority: Pick<OwnAuthority, 'trust'>
  readonly sources: Pick<Sources, 'nodes' | 'resources' | 'trusted' | 'admission'>
  readonly snapshot: Watch<CatalogueSnapshot>
  readonly ready: Watch<boolean>
  /** Keys of issuers that are not written in the rules themselves. */
  readonly keysOf: Watch<KeysOf>
}

/** Starts compiling what each agent is to have, for those that are followed. */
export function startCompiling(deps: CompilingDeps, config: ServerConfig) {
  const { clock, log, started, snapshot, ready } = deps
  const { nodes, resources, trusted, admission } = deps.sources
  const place = createPlacement()
  const mayHold = derived([snapshot, nodes.all, admission], () => {
    return placementVerdict(place(snapshot.value), nodes.all.value, trusted, admission.value)
  })
  started.add(() => mayHold.stop())
  const mtls = startMtls({ clock, log, resources: resources.current }, config)
  started.add(() => mtls.stop())
  const settings = derived([deps.authority.trust], () => compileSettings(config, deps.authority.trust.value))
  started.add(() => settings.stop())
  const views = startViews({
    clock,
    log,
    catalogue: snapshot,
    resources: resources.current,
    ready,
    settings: settings.watch,
    mayHold: mayHold.watch,
    mtls: mtls.verdict,
    keysOf: deps.keysOf,
  })
  started.add(() => views.stop())
  return { views, mtls: mtls.verdict }
}

function compileSettings(config: ServerConfig, trust: Trust): CompileSettings {
  return {
    trustDomain: config.trustDomain,
    dnsDomain: config.dnsDomain,
    rootNamespace: config.rootNamespace,
    virtualIpRanges: [config.virtualIps.ipv4, config.virtualIps.ipv6],
    ...(config.defaultIdentity === '' ? {} : { defaultIdentity: config.defaultIdentity }),
    trust,
  }
}
