import type { CatalogueSnapshot } from '../../mesh/model/catalogue.ts'
import { derived } from '../../mesh/std/derived.ts'
import type { Watch } from '../../mesh/std/watch.ts'
import { createHealthWriter } from '../adapters.ts'
import { startCatalogue } from '../catalogue/catalogue.ts'
import { startConfirmHeld } from '../catalogue/confirm-held.ts'
import { composeMergeRules } from '../catalogue/merge-rules.ts'
import { answersTcp } from '../catalogue/tcp-answers.ts'
import { createVirtualIps } from '../catalogue/virtual-ips.ts'
import type { ServerConfig } from '../config.ts'
import { startHealthWriteBack } from '../health/write-back.ts'
import type { Store } from '../store/store.ts'
import type { PartDeps } from './deps.ts'
import type { Sources } from './sources.ts'

export interface MergingDeps extends PartDeps {
  readonly store: Pick<Store, 'virtualIps'>
  readonly sources: Pick<Sources, 'resources' | 'configured' | 'registries' | 'reports'>
  /** Is given each catalogue. */
  readonly snapshot: Watch<CatalogueSnapshot>
}

/** Starts making one catalogue of all that the sources say, and writing health back to the registries that want it. */
export function startMerging({ store, sources, snapshot, started, ...deps }: MergingDeps, config: ServerConfig) {
  const { clock, log } = deps
  const { resources, configured, registries, reports } = sources
  const names = configured.views.map(view => view.name)
  const virtualIps = createVirtualIps(store.virtualIps, config.virtualIps)
  const merge = { ...config.merge, rootNamespace: config.rootNamespace }
  const rules = derived([resources.current], () => composeMergeRules(merge, resources.current.value, names))
  started.add(() => rules.stop())
  const said = { probed: reports.health, reporting: reports.registrations }
  const catalogue = startCatalogue(
    { clock, log, virtualIps, views: registries.views, rules: rules.watch, ...said, snapshot },
    config,
  )
  started.add(() => catalogue.stop())
  const confirmHeld = startConfirmHeld({ clock, log, views: configured.views, ...said, answers: answersTcp })
  started.add(() => confirmHeld.stop())

  const writers = config.registries.flatMap(registry => {
    const writer = createHealthWriter(registry, deps)
    return writer === undefined ? [] : [[registry.name, writer] as const]
  })
  const writeBack = startHealthWriteBack(snapshot, new Map(writers))
  started.add(() => writeBack.stop())
  return {
    rules: rules.watch,
    merge,
    scope: { registries: names, rootNamespace: config.rootNamespace },
    ready: catalogue.ready,
  }
}
