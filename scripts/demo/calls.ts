import { failures, startLoad } from '../../test/netns/mesh-load.ts'
import { until } from '../../test/support/eventually.ts'
import { cgroups } from './services.ts'
import type { DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

/** Calls of payments that go on while things change. */
export interface Calls {
  /**
   * Checks that none of those since the last time has failed, once there were enough to tell. When an instance was
   * killed, `cutOff` says how many requests it had then: as many may have failed, and no more.
   */
  check(tell: Teller, cutOff?: () => number): Promise<void>
  /** Ends them, and checks the sum of all that were checked before. */
  end(tell: Teller): Promise<void>
}

const enough = 50

/** Starts them on h1 as web: an HTTP request every 40 ms, each on a connection of its own, none tried twice. */
export async function startCalls({ hosts }: DemoMesh): Promise<Calls> {
  const load = await startLoad(hosts.h1, { web: 'http@payments.default.mesh/80' }, { cgroup: cgroups.web })
  const all = { tried: 0, failed: 0, unexplained: 0 }
  return {
    async check(tell, cutOff = () => 0) {
      const now = { tried: 0, failed: 0, kinds: new Set<string>() }
      const enoughCalls = async () => {
        const { web } = await load.report()
        now.tried += web.tried
        now.failed += failures(web)
        for (const kind of Object.keys(web.failed)) now.kinds.add(kind)
        return now.tried >= enough
      }
      await until(`web has made ${enough} calls`, enoughCalls, 60_000)
      all.tried += now.tried
      all.failed += now.failed
      const meanwhile = `${now.tried} calls of payments meanwhile`
      if (now.failed === 0) return tell.check(`${meanwhile}, none failed`, true)
      const isExplained = await knows(cutOff, now.failed)
      if (!isExplained) all.unexplained += now.failed
      const why = isExplained ? cutOffText : [...now.kinds].join(', ')
      tell.check(`${meanwhile}, ${now.failed} failed: ${why}`, isExplained)
    },
    async end(tell) {
      await load.stop()
      const { tried, failed, unexplained } = all
      const what = failed === 0 ? 'none failed' : `${failed} failed${unexplained === 0 ? `: ${cutOffText}` : ''}`
      tell.check(`through all of it web made ${tried} calls of payments, ${what}`, unexplained === 0)
    },
  }
}

const cutOffText = 'requests that the instance had when it was killed'

/** Whether so many were cut off; the access log that tells is written at most a second late. */
function knows(cutOff: () => number, failed: number): Promise<boolean> {
  return until('the access log knows them', () => cutOff() >= failed, 5000).then(
    () => true,
    () => false,
  )
}
