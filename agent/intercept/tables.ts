import { type Family, families } from './plan.ts'
import type { RuleSet } from './rules.ts'
import {
  applyText,
  fingerprint,
  madeTableChain,
  ownTables,
  parseSavedRules,
  removeText,
  type SavedRules,
} from './saved-rules.ts'
import type { Tools } from './tools.ts'

/** One family's tables in the kernel: read, replaced and removed as a whole. */
export interface Tables {
  readonly family: Family
  read(): Promise<SavedRules>
  /** Puts the rules in place in one transaction; gives what the kernel then says of them, to compare with later. */
  apply(rules: RuleSet): Promise<string>
  /**
   * Runs `check` while these rules come before all others in the `OUTPUT` chain of `nat`. They are gone afterwards,
   * whatever the check did.
   */
  probe<T>(rules: readonly string[], check: () => Promise<T>): Promise<T>
  /** Takes away everything of ours, and tables that were not there before us. Twice is harmless. */
  remove(): Promise<void>
}

/** The tables of both families, IPv4 first. */
export function createTables(tools: Tools): readonly Tables[] {
  return families.map(family => tablesOf(tools, family))
}

function tablesOf(tools: Tools, family: Family): Tables {
  const prefix = family === 4 ? 'iptables' : 'ip6tables'
  const made = new Set<string>()
  let known = false
  const read = async () => parseSavedRules(await tools.run(`${prefix}-save`, []))
  const restore = (text: string) => tools.run(`${prefix}-restore`, ['--noflush', '-w', '5'], text)
  return {
    family,
    read,
    async apply(rules) {
      const saved = await read()
      for (const name of ['nat', 'filter']) {
        const table = saved.get(name)
        if (table?.chains.includes(madeTableChain) === true || (table === undefined && !known)) made.add(name)
      }
      await restore(applyText(rules, saved, made))
      known = true
      return fingerprint(await read())
    },
    async probe(rules, check) {
      const saved = await read()
      await restore(probeText(rules, saved))
      try {
        return await check()
      } finally {
        const after = await read()
        const others = [...after.values()].flatMap(table => table.chains).filter(chain => !probeChains.includes(chain))
        if (others.length > 0) await restore(removeText(after, chain => chain === probeChain))
        else await remove()
      }
    },
    remove,
  }

  async function remove() {
    const saved = await read()
    const text = removeText(saved)
    if (text !== '') await restore(text)
    for (const name of ownTables(saved)) await removeTable(tools, family, name)
  }
}

const probeChain = 'WEFT_SELFTEST'
const probeChains = [probeChain, madeTableChain]

function probeText(rules: readonly string[], saved: SavedRules): string {
  const chains = saved.has('nat') ? [probeChain] : probeChains
  const jump = `-I OUTPUT 1 -j ${probeChain}`
  const all = [...chains.map(chain => `:${chain} - [0:0]`), ...rules.map(rule => `-A ${probeChain} ${rule}`), jump]
  return `*nat\n${all.join('\n')}\nCOMMIT\n`
}

/** iptables cannot delete a table; nft, which comes along with it, can. An empty table does no harm where it cannot. */
async function removeTable(tools: Tools, family: Family, name: string): Promise<void> {
  const table = [family === 4 ? 'ip' : 'ip6', name]
  const listed = await tools.run('nft', ['list', 'table', ...table]).catch(() => undefined)
  // somebody may have begun to use it in the meantime
  if (listed === undefined || hasContent(listed)) return
  await tools.run('nft', ['delete', 'table', ...table]).catch(() => undefined)
}

function hasContent(listing: string): boolean {
  return listing
    .split('\n')
    .map(line => line.trim())
    .some(line => line !== '' && line !== '}' && !/^(#|table |chain |type .* hook .* policy accept;$)/.test(line))
}
