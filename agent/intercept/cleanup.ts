import { type CgroupTree, findCgroupTree } from './cgroups.ts'
import { removeSets } from './ipset.ts'
import { removeRoutes } from './routes.ts'
import { removeSelfCgroup } from './self-cgroup.ts'
import { createTables } from './tables.ts'
import { createTools, type Tools } from './tools.ts'

export interface CleanupDeps {
  readonly tools?: Tools
  readonly tree?: CgroupTree | undefined
}

/**
 * Takes away everything that capture ever put on this host, by what is found there: it needs neither the
 * configuration nor the version that made it, and twice is harmless. Every step is tried; the first failure is thrown
 * at the end as `WEFT_CAPTURE`.
 */
export async function cleanupCapture(deps: CleanupDeps = {}): Promise<void> {
  const tools = deps.tools ?? createTools()
  const tree = 'tree' in deps ? deps.tree : findCgroupTree()
  const failures: unknown[] = []
  const attempt = async (step: () => Promise<void>) => {
    try {
      await step()
    } catch (error) {
      failures.push(error)
    }
  }
  for (const tables of createTables(tools)) {
    await attempt(async () => {
      const rules = [...(await tables.read()).values()].flatMap(table => table.rules)
      await tables.remove()
      for (const path of rules.flatMap(selfPath)) if (tree !== undefined) removeSelfCgroup(tree, path)
    })
  }
  // sets can go only when no rule looks at them any more
  await attempt(() => removeSets(tools))
  await attempt(() => removeRoutes(tools))
  if (failures.length > 0) throw failures[0]
}

/** The cgroup that a rule exempts. */
function selfPath(rule: string): string[] {
  const path = /^-A WEFT_OUTPUT -m cgroup --path "?(.+?)"? -j RETURN$/.exec(rule)?.[1]
  return path === undefined ? [] : [path]
}
