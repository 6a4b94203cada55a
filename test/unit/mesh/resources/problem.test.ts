import t from 'tap'
import { formatPath, problemsError } from '../../../../mesh/resources/problem.ts'

t.test('paths are written as one would write them in code', async t => {
  t.equal(formatPath([]), '')
  t.equal(formatPath(['spec', 'ports', 0, 'number']), 'spec.ports[0].number')
  t.equal(formatPath(['metadata', 'annotations', 'weft.dev/node']), 'metadata.annotations["weft.dev/node"]')
})

t.test('problems become one error that leads with the first and holds all', async t => {
  const at = (line: number) =>
    ({ reason: 'invalid', file: 'f', line, column: 2, path: 'a', message: 'is wrong' }) as const
  const error = problemsError([at(1), { ...at(3), didYouMean: 'b' }])
  t.equal(error.code, 'WEFT_RESOURCE_INVALID')
  t.equal(error.message, 'f:1:2: a: is wrong (and 1 more)')
  t.same(error.fields, { problems: ['f:1:2: a: is wrong', 'f:3:2: a: is wrong, did you mean b?'] })
})
