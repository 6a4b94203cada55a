import type { RuleSet, TableRules } from './rules.ts'

/**
 * Reads what `iptables-save` says and writes what `iptables-restore` takes. Pure. Only chains named `WEFT_...`, and
 * jumps to them, are ever changed.
 */

/** One table as saved. */
export interface SavedTable {
  /** Our chains that exist. */
  readonly chains: readonly string[]
  /** Rules inside our chains, in order, as the system spells them. */
  readonly rules: readonly string[]
  /** Rules of other chains that lead to ours. */
  readonly jumps: readonly SavedJump[]
  /** Rules and chains that are not ours. */
  readonly foreign: readonly string[]
}

export interface SavedJump {
  /** The `-A CHAIN ...` line, as the system spells it. */
  readonly line: string
  /** False when a rule of somebody else comes before it. */
  readonly first: boolean
}

/** By table name; a table that does not exist is absent. */
export type SavedRules = ReadonlyMap<string, SavedTable>

/**
 * An empty chain that remembers, in the only place that survives us, that the table was not there before we came:
 * whoever cleans up then knows to take the table away too.
 */
export const madeTableChain = 'WEFT_MADE_TABLE'

const ours = 'WEFT_'

/** Takes the output of `iptables-save`. */
export function parseSavedRules(text: string): SavedRules {
  const tables = new Map<string, SavedTable>()
  for (const section of text.split(/^\*/m).slice(1)) {
    const [name = '', ...lines] = section.split('\n')
    tables.set(name.trim(), parseTable(lines))
  }
  return tables
}

function parseTable(lines: readonly string[]): SavedTable {
  const chains: string[] = []
  const rules: string[] = []
  const jumps: SavedJump[] = []
  const foreign: string[] = []
  const begun = new Set<string>()
  for (const line of lines) {
    if (line.startsWith(':')) {
      const [name = '', policy] = line.slice(1).split(' ')
      if (name.startsWith(ours)) chains.push(name)
      // a built-in chain that lets everything pass is there in every table
      else if (policy !== 'ACCEPT') foreign.push(line.replace(/ \[.*/, ''))
    } else if (line.startsWith(`-A ${ours}`)) {
      rules.push(line.trimEnd())
    } else if (line.startsWith('-A ')) {
      const chain = line.split(' ')[1] ?? ''
      if (/ -[jg] WEFT_/.test(line)) {
        jumps.push({ line: line.trimEnd(), first: !begun.has(chain) })
      } else {
        begun.add(chain)
        foreign.push(line.trimEnd())
      }
    }
  }
  return { chains, rules, jumps, foreign }
}

/**
 * The transaction that puts a rule set in place of whatever of ours is there, given what was saved just before.
 * `made` names the tables that did not exist before us.
 */
export function applyText(rules: RuleSet, saved: SavedRules, made: ReadonlySet<string>): string {
  return tableText('nat', rules.nat, saved, made) + tableText('filter', rules.filter, saved, made)
}

function tableText(name: string, table: TableRules, saved: SavedRules, made: ReadonlySet<string>): string {
  const now = saved.get(name)
  const chains = made.has(name) ? [...table.chains, madeTableChain] : table.chains
  const obsolete = (now?.chains ?? []).filter(chain => !chains.includes(chain))
  return lines(
    `*${name}`,
    ...[...chains, ...obsolete].map(chain => `:${chain} - [0:0]`),
    ...table.rules,
    ...(now?.jumps ?? []).map(deletion),
    ...table.jumps.map(({ from, rule }) => `-I ${from} 1 ${rule}`),
    ...obsolete.map(chain => `-X ${chain}`),
    'COMMIT',
  )
}

/**
 * The transaction that removes our chains, or those of them that are chosen, with the jumps to them, and nothing else;
 * empty when there is nothing.
 */
export function removeText(saved: SavedRules, chosen: (chain: string) => boolean = () => true): string {
  let text = ''
  for (const [name, table] of saved) {
    const chains = table.chains.filter(chosen)
    const jumps = table.jumps.filter(jump => chosen(/ -[jg] (\S+)/.exec(jump.line)?.[1] ?? ''))
    if (chains.length === 0 && jumps.length === 0) continue
    const flush = chains.map(chain => `-F ${chain}`)
    text += lines(`*${name}`, ...jumps.map(deletion), ...flush, ...chains.map(chain => `-X ${chain}`), 'COMMIT')
  }
  return text
}

/** Tables that we made and in which nothing but ours is left: they go away with us. */
export function ownTables(saved: SavedRules): string[] {
  return [...saved]
    .filter(([, table]) => table.chains.includes(madeTableChain) && table.foreign.length === 0)
    .map(([name]) => name)
}

/** Our part of what was saved, in a form that is equal exactly when nothing about it has changed. */
export function fingerprint(saved: SavedRules): string {
  return [...saved]
    .filter(([, table]) => table.chains.length > 0 || table.jumps.length > 0)
    .map(([name, table]) => [name, ...table.chains.toSorted(), ...table.rules, ...table.jumps.map(jump => jump.line)])
    .map(parts => parts.join('\n'))
    .toSorted()
    .join('\n\n')
}

/** What is wrong with our part, in words for the log; undefined when it is as it was. */
export function difference(saved: SavedRules, expected: string): string | undefined {
  const jumps = [...saved.values()].flatMap(table => table.jumps)
  if (fingerprint(saved) !== expected) {
    if ([...saved.values()].every(table => table.chains.length === 0)) return 'all rules are gone'
    return jumps.length === 0 ? 'the jumps to our chains are gone' : 'our rules were changed'
  }
  return jumps.every(jump => jump.first) ? undefined : 'somebody put a rule before ours'
}

function deletion(jump: SavedJump): string {
  return jump.line.replace(/^-A/, '-D')
}

function lines(...all: readonly string[]): string {
  return `${all.join('\n')}\n`
}
