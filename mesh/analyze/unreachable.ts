import type { VirtualService } from '../resources/virtual-service.ts'
import { coversHttp, coversL4 } from './cover.ts'
import type { Finding } from './finding.ts'

/** Of a list that is longer nothing is said: each match is compared with all before it. */
const maxMatches = 2000

/** What a rule asks for: any of these; a rule that asks for nothing has one that is empty. */
interface Rule<Match> {
  readonly matches: readonly Match[]
  readonly name: string
  /** What it asks for but does not take goes on to the next rule, as the rules of a delegate may not match. */
  readonly isPartial: boolean
}

/** Finds rules, and matches of rules, which an earlier rule of the same VirtualService leaves nothing to. */
export function unreachableFindings(resource: VirtualService): Finding[] {
  const { http = [], tls = [], tcp = [] } = resource.spec
  return [
    ...findUnreachable(resource, 'http', http.map(rule), coversHttp),
    ...findUnreachable(resource, 'tls', tls.map(rule), coversL4),
    ...findUnreachable(resource, 'tcp', tcp.map(rule), coversL4),
  ]
}

function rule<Match>(
  rule: {
    readonly match?: readonly Match[] | undefined
    readonly name?: string | undefined
    readonly delegate?: object | undefined
  },
  index: number,
): Rule<Match | object> {
  const { match = [], name, delegate } = rule
  const label = name === undefined || name === '' ? `rule ${index + 1}` : `rule ${index + 1} (${name})`
  return { matches: match.length === 0 ? [{}] : match, name: label, isPartial: delegate !== undefined }
}

function findUnreachable<Match extends object>(
  resource: VirtualService,
  list: 'http' | 'tls' | 'tcp',
  rules: readonly Rule<Match>[],
  covers: (wide: Match, narrow: Match) => boolean,
): Finding[] {
  const total = rules.reduce((sum, { matches }) => sum + matches.length, 0)
  if (total > maxMatches) return []
  return rules.flatMap(({ matches }, index) => {
    const before = rules.slice(0, index).filter(({ isPartial }) => !isPartial)
    const owners = matches.map(narrow => before.find(earlier => earlier.matches.some(wide => covers(wide, narrow))))
    const found = owners.filter(owner => owner !== undefined)
    if (found.length === owners.length) {
      const names = [...new Set(found.map(({ name }) => name))].join(' and ')
      return [unreachable(resource, ['spec', list, index], names)]
    }
    return owners.flatMap((owner, at) => {
      return owner === undefined ? [] : [unreachable(resource, ['spec', list, index, 'match', at], owner.name)]
    })
  })
}

function unreachable(resource: VirtualService, path: Finding['path'], before: string): Finding {
  const message = `is never reached: ${before} before it takes all that it asks for`
  return { severity: 'warning', code: 'unreachable', resource, path, message }
}
