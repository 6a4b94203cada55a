import type { Workload } from '../../mesh/model/workload.ts'
import type { RegistryView } from '../catalogue/registry-view.ts'
import type { RegistrationKeeper } from './keeper.ts'

export interface ReleaseHeldDeps {
  readonly view: Pick<RegistryView, 'held' | 'found'>
  readonly keeper: Pick<RegistrationKeeper, 'isLost'>
  /** What nodes say: a node that is back says what is really gone. */
  readonly reports: { subscribe(changed: () => void): () => void }
}

/**
 * Lets go at once of what its host, or an operator, took back on purpose: in a mass disappearance only silence is
 * doubted. What is silent is not asked from here: when it is this server that is cut off, nothing would answer.
 */
export function startReleaseHeld({ view, keeper, reports }: ReleaseHeldDeps): { stop(): void } {
  const check = () => {
    const held = [...view.held.value.values()]
    const meant = held.filter(workload => !isLost(workload))
    if (meant.length > 0) view.found(new Map(meant.map(({ id }) => [id, false])))
  }
  const isLost = ({ node, name }: Workload) => node !== undefined && keeper.isLost(node, name)
  const ends = [view.held.subscribe(check), reports.subscribe(check)]
  check()
  return {
    stop() {
      for (const end of ends) end()
    },
  }
}
