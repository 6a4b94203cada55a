import { readFileSync } from 'node:fs'
import t from 'tap'
import { parseAllDocuments } from 'yaml'
import type { KubernetesOptions } from '../../../../registry-adapters/kubernetes/options.ts'
import type { FakeRequest } from '../../../fakes/kubernetes.ts'
import { startWorld, webHas } from '../../../fakes/kubernetes-world.ts'
import { until } from '../../../support/eventually.ts'

interface Rule {
  readonly apiGroups: readonly string[]
  readonly resources: readonly string[]
  readonly verbs: readonly string[]
}

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string; readonly namespace?: string }
  readonly rules?: readonly Rule[]
  readonly roleRef?: { readonly kind: string; readonly name: string }
  readonly subjects?: readonly { readonly kind: string; readonly name: string; readonly namespace: string }[]
}

const manifests = parseAllDocuments(readFileSync('docs/registries/kubernetes-rbac.yaml', 'utf8')).map(
  document => document.toJS() as Manifest,
)
const roles = new Map(manifests.filter(one => one.kind === 'ClusterRole').map(one => [one.metadata.name, one]))
const rulesOf = (names: readonly string[]) => names.flatMap(name => roles.get(name)?.rules ?? [])

/** As the RBAC authorizer of Kubernetes decides. */
const grants = (rules: readonly Rule[]) => (request: FakeRequest) =>
  rules.some(
    rule =>
      rule.apiGroups.includes(request.group) &&
      rule.resources.includes(request.resource) &&
      rule.verbs.includes(request.verb),
  )

const all = ['weft-registry', 'weft-registry-nodes', 'weft-registry-istio']

const choices: readonly (readonly [KubernetesOptions, readonly string[]])[] = [
  [{}, all.slice(0, 1)],
  [{ serviceAccounts: 'pods', nodeAgents: true }, all.slice(0, 1)],
  [{ nodes: true }, all.slice(0, 2)],
  [{ istio: true }, ['weft-registry', 'weft-registry-istio']],
  [{ nodes: true, istio: true }, all],
]

for (const [options, names] of choices) {
  t.test(`the roles ${names.join(', ')} suffice for ${JSON.stringify(options)}, and are all used`, async t => {
    const { fake, watch } = await startWorld(t)
    const rules = rulesOf(names)
    fake.allows = grants(rules)
    const watched = watch(options)
    await watched.view(webHas(1))
    await until('everything is watched', () => fake.watches.size === rules.length)
    await watched.stands('fresh')
    t.ok(fake.requests.every(fake.allows))
    const written = rules.flatMap(({ apiGroups, resources, verbs }) =>
      apiGroups.flatMap(group => resources.flatMap(resource => verbs.map(verb => `${verb} ${group}/${resource}`))),
    )
    const asked = fake.requests.map(({ verb, group, resource }) => `${verb} ${group}/${resource}`)
    t.same([...new Set(written)].sort(), [...new Set(asked)].sort())
  })
}

for (const rule of rulesOf(all)) {
  const [group = ''] = rule.apiGroups
  const [resource = ''] = rule.resources
  t.test(`without the rule for ${resource} the reason is that very rule`, async t => {
    const { fake, watch } = await startWorld(t)
    fake.allows = grants(rulesOf(all).filter(one => one !== rule))
    const watched = watch({ nodes: true, istio: true })
    const said = await watched.stands('failing')
    const words = `missing apiGroups ["${group}"] resources ["${resource}"] verbs ["list", "watch"] in a ClusterRole`
    t.ok(said.kind === 'failing' && said.reason.includes(words), JSON.stringify(said))
    t.same(watched.views, [])
    fake.allows = grants(rulesOf(all))
    await watched.view(webHas(1))
    await watched.stands('fresh')
  })
}

t.test('bound in single namespaces, the first role suffices for these', async t => {
  const { fake, watch } = await startWorld(t)
  const inDefault = (request: FakeRequest) =>
    request.namespace === 'default' && grants(rulesOf(['weft-registry']))(request)
  fake.allows = inDefault
  const watched = watch({ namespaces: ['default', 'shop'] })
  const said = await watched.stands('failing')
  t.ok(said.kind === 'failing' && said.reason.includes('in a Role of namespace shop'), JSON.stringify(said))
  const alone = watch({ namespaces: ['default'] })
  await alone.view(webHas(1))
  await alone.stands('fresh')
})

t.test('every role is bound to the one account, and nothing else is granted', async t => {
  const bindings = manifests.filter(one => one.kind === 'ClusterRoleBinding')
  t.same(
    bindings.map(one => one.roleRef?.name),
    all,
  )
  for (const { subjects, roleRef } of bindings) {
    t.equal(roleRef?.kind, 'ClusterRole')
    t.same(subjects, [{ kind: 'ServiceAccount', name: 'weft-registry', namespace: 'weft' }])
  }
  const kinds = manifests.map(one => one.kind).filter(kind => !kind.startsWith('ClusterRole'))
  t.same(kinds, ['Namespace', 'ServiceAccount'])
  t.same([...roles.keys()], all)
})
