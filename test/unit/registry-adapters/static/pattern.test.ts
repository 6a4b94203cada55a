import t from 'tap'
import { fits, parsePattern, patternProblem } from '../../../../registry-adapters/static/pattern.ts'

t.test('a text without wildcards is a path, below the given directory unless it is absolute', async t => {
  t.same(parsePattern('/etc/weft/a.yaml', '/x'), { kind: 'path', path: '/etc/weft/a.yaml' })
  t.same(parsePattern('../a.yaml', '/x/y'), { kind: 'path', path: '/x/a.yaml' })
})

t.test('a pattern begins at the last directory without wildcards', async t => {
  t.same(parsePattern('/etc/weft/*/s*.yaml', '/x'), { kind: 'glob', base: '/etc/weft', segments: ['*', 's*.yaml'] })
  t.same(parsePattern('more/**/*.yaml', '/x'), { kind: 'glob', base: '/x/more', segments: ['**', '*.yaml'] })
  t.same(parsePattern('*.yaml', '/x'), { kind: 'glob', base: '/x', segments: ['*.yaml'] })
  t.same(parsePattern('/*.yaml', '/x'), { kind: 'glob', base: '/', segments: ['*.yaml'] })
  t.same(parsePattern('/a/**/**/./b?', '/x'), { kind: 'glob', base: '/a', segments: ['**', 'b?'] })
})

t.test('what cannot be meant as a pattern is refused with the reason', async t => {
  for (const good of ['a', '../a/*.yaml', '/a/{b,c}/*.y{,a}ml', '**']) t.equal(patternProblem(good), undefined, good)
  t.match(patternProblem(''), /is empty/)
  t.match(patternProblem('a\0b'), /NUL/)
  t.match(patternProblem('*/../b'), /has \.\. after a wildcard/)
  t.match(patternProblem('{a,b/c}/*.yaml'), /braces that do not close/)
})

t.test('hidden names fit only segments that ask for them', async t => {
  t.ok(fits('a.yaml', '*.y{,a}ml'))
  t.ok(fits('b.yaml', '[!a].yaml'))
  t.notOk(fits('a.json', '*.yaml'))
  t.notOk(fits('.a.yaml', '*.yaml'))
  t.ok(fits('.a', '.*'))
  t.notOk(fits('a', '.*'))
})
