import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseResources } from '../../../../mesh/resources/parse.ts'
import { formatProblem, type ResourceProblem } from '../../../../mesh/resources/problem.ts'
import { isResourceKind } from '../../../../mesh/resources/resource.ts'
import { type ValidationCase, validationCases } from '../../../support/istio-recordings.ts'

/** A document on which Istio and Weft disagree, and what the disagreement is about. */
interface Difference {
  readonly id: string
  readonly groups: readonly string[]
}

interface Share {
  readonly documents: number
  readonly agreed: number
  readonly named: number
}

/** Fields that every kind has. */
const ofAll = /^(metadata|status)\b/

t.test('documents of Istio are judged as Istio judges them, or the difference has a reason', async t => {
  const differences: Difference[] = []
  const shares = new Map<string, Share>()
  for (const one of validationCases()) {
    if (!isResourceKind(one.kind)) continue
    const { resources, problems } = parseResources(one.yaml, `${one.id}.yaml`)
    const accepted = problems.length === 0
    if (resources.length !== (accepted ? 1 : 0)) t.fail(`${one.id}: a document gives a resource or problems, not both`)
    if (accepted) {
      // resources are kept as JSON and read again
      const [kept, again] = [resources, parseResources(JSON.stringify(resources[0]), one.id).resources].map(plain)
      t.same(again, kept, one.id)
    }
    const istioAccepts = one.verdict !== 'invalid' && one.crd === 'accept'
    const agreed = accepted === istioAccepts
    const named = !agreed && problems.some(problem => problem.reason === 'unimplemented')
    if (!agreed) differences.push({ id: one.id, groups: groupsOf(one, problems) })
    for (const kind of [one.kind, 'all kinds']) count(shares, kind, agreed, named)
  }
  for (const [kind, { documents, agreed, named }] of shares) {
    const percent = (part: number) => `${((100 * part) / documents).toFixed(2)} %`
    t.comment(
      `${kind}: ${agreed} of ${documents} agree (${percent(agreed)}), with what is refused by name ${percent(agreed + named)}`,
    )
  }
  for (const kind of ['AuthorizationPolicy', 'RequestAuthentication', 'PeerAuthentication']) {
    const { documents = 0, agreed = 0, named = 0 } = shares.get(kind) ?? {}
    t.ok(agreed + named >= 0.98 * documents && documents > 100, `${kind}: at least 98 %`)
  }
  const traffic = ['VirtualService', 'DestinationRule', 'ServiceEntry', 'Sidecar', 'WorkloadEntry', 'WorkloadGroup']
  const ofTraffic = [...traffic, 'PeerAuthentication'].flatMap(kind => shares.get(kind) ?? [])
  const sum = (part: 'documents' | 'agreed') => ofTraffic.reduce((total, share) => total + share[part], 0)
  t.ok(sum('agreed') >= 0.98 * sum('documents') && sum('documents') > 3000, 'traffic: at least 98 % without any but')
  t.comment(`traffic: ${sum('agreed')} of ${sum('documents')} agree`)
  const listed = listedGroups()
  const unlisted = differences.filter(({ groups }) => !groups.some(group => listed.has(group)))
  t.same(unlisted, [], 'every difference stands in docs/differences.md')
  const seen = new Set(differences.flatMap(({ groups }) => groups))
  t.same(
    [...listed].filter(group => !seen.has(group)),
    [],
    'what stands there is a difference still',
  )
})

function count(shares: Map<string, Share>, kind: string, agreed: boolean, named: boolean): void {
  const before = shares.get(kind) ?? { documents: 0, agreed: 0, named: 0 }
  shares.set(kind, {
    documents: before.documents + 1,
    agreed: before.agreed + Number(agreed),
    named: before.named + Number(named),
  })
}

/** `<kind> <field> <what Weft does>`, as the rows of the list have them; `any` kind for what all have. */
function groupsOf(
  { kind, fields = [], crdFields = [] }: ValidationCase,
  problems: readonly ResourceProblem[],
): string[] {
  const group = (path: string, verdict: string) => `${ofAll.test(path) ? 'any' : kind} ${shape(path)} ${verdict}`
  if (problems.length === 0) {
    return [...fields, ...crdFields].map(path => group(path, 'accepted'))
  }
  const lacking = problems.filter(problem => problem.reason === 'unimplemented')
  if (lacking.length > 0) return lacking.map(problem => group(problem.path, 'not implemented'))
  return problems.map(problem => group(problem.path, 'refused'))
}

/** The path without what is chosen by whoever writes: numbers, names in brackets, and where a policy stands. */
function shape(path: string): string {
  return path
    .replaceAll(/\[(?:\d+|"[^"]*")\]/g, '[]')
    .replace(/\.(labels|set|add)\.[\w-]+$/, '.$1[]')
    .replace('spec.subsets[].trafficPolicy', 'spec.trafficPolicy')
    .replace('.portLevelSettings[].', '.')
}

/** The rows of the table below the heading "Validation". */
function listedGroups(): ReadonlySet<string> {
  const text = readFileSync(new URL('../../../../docs/differences.md', import.meta.url), 'utf8')
  const [, section = ''] = /^## Validation\n([\s\S]*?)(?=^## |$(?![\s\S]))/m.exec(text) ?? []
  const rows = [...section.matchAll(/^\| (\w+) \| `([^`]+)` \| (accepted|refused|not implemented) \|/gm)]
  return new Set(rows.map(([, kind, field, verdict]) => `${kind} ${field} ${verdict}`))
}

function plain(value: unknown): unknown {
  return JSON.parse(JSON.stringify(value))
}

t.test('messages name the place of what is wrong', async t => {
  const [first] = validationCases().filter(({ id }) => id === 'vs-1127')
  t.match(parseResources(first?.yaml ?? '', 'vs.yaml').problems.map(formatProblem), [
    /^vs\.yaml:\d+:\d+: spec\.http\[0\]/,
  ])
})
