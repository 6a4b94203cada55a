import t from 'tap'
import { createSelection } from '../../../../registry-adapters/consul/selection.ts'

const services: Readonly<Record<string, readonly string[]>> = {
  api: ['mesh', 'v1'],
  web: ['v1'],
  'web-admin': ['internal'],
  'nomad-client': ['http'],
}
const taken = (include: readonly string[], exclude: readonly string[] = []) => {
  const selection = createSelection(include, exclude)
  return Object.keys(services).filter(name => selection(name, services[name] ?? []))
}

t.test('without patterns all services are taken', async t => {
  t.same(taken([]), Object.keys(services))
})

t.test('patterns take services by name or tag', async t => {
  t.same(taken(['api', 'web*']), ['api', 'web', 'web-admin'])
  t.same(taken(['tag:mesh']), ['api'])
  t.same(taken(['tag:int*', 'api']), ['api', 'web-admin'])
  t.same(taken(['ap']), [], 'a name is the whole name')
  t.same(taken(['a.i', 'API']), [], 'and nothing but a star is special')
})

t.test('what is excluded is not taken, whatever takes it', async t => {
  t.same(taken(['*'], ['nomad*']), ['api', 'web', 'web-admin'])
  t.same(taken([], ['tag:internal', 'api']), ['web', 'nomad-client'])
})

t.test('stars stand for any text, however many there are', async t => {
  const fits = (pattern: string, name: string) => createSelection([pattern], [])(name, [])
  t.ok(fits('a*b*c', 'axxbyyc'))
  t.ok(fits('*a*', 'a'))
  t.notOk(fits('a*a', 'a'), 'both ends need a place of their own')
  t.notOk(fits('a*b*b', 'ab'))
  t.ok(fits('**', ''))
  t.notOk(fits(`${'*a'.repeat(50)}b`, 'a'.repeat(5_000)), 'and it ends soon')
})
