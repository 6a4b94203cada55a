import { execFileSync } from 'node:child_process'
import fc from 'fast-check'
import t from 'tap'
import { compilePattern, patternProblem } from '../../../../mesh/std/linear-pattern.ts'

const octets = (text: string) => Buffer.from(text).toString('latin1')

const matches: readonly (readonly [pattern: string, value: string, matches: boolean])[] = [
  ['', '', true],
  ['', 'a', false],
  ['abc', 'abc', true],
  ['abc', 'abcd', false],
  ['abc', 'xabc', false],
  ['a|bc|', 'bc', true],
  ['a|bc|', '', true],
  ['a*b+c?', 'bb', true],
  ['a*b+c?', 'ac', false],
  ['a{2,3}', 'aa', true],
  ['a{2,3}', 'aaaa', false],
  ['a{2,}', 'aaaaa', true],
  ['a{,3}', 'a{,3}', true],
  ['(a*)*', 'aaa', true],
  ['(|a)+', 'aa', true],
  ['.', '\n', false],
  ['(?s).', '\n', true],
  ['(?i)ÄbC', 'äBc', true],
  ['a(?i)b|c', 'aB', true],
  ['a(?i)b|c', 'C', true],
  ['a(?i:b)c', 'aBC', false],
  ['(?-s:.)', '\n', false],
  ['^a$', 'a', true],
  ['a^b', 'ab', false],
  ['(?m)a$\\n^b', 'a\nb', true],
  ['\\Aa\\z', 'a', true],
  ['\\bfoo\\b.*', 'foo bar', true],
  ['foo\\Bbar', 'foobar', true],
  ['[a-c]+', 'abc', true],
  ['[^a-c]', 'b', false],
  ['[]a]+', ']a', true],
  ['[^]a]', ']', false],
  ['[a-]+', 'a-', true],
  ['[\\d\\-x]+', '1-x', true],
  ['[[:alpha:]_]+', 'a_Z', true],
  ['[[:^alpha:]]', 'a', false],
  ['\\d\\D\\s\\S\\w\\W', '1a b_-', true],
  ['\\s', '\v', false],
  ['\\pL\\p{Lu}', 'aA', true],
  ['\\p{Greek}', 'α', true],
  ['\\P{Greek}', 'α', false],
  ['\\p{^Greek}', 'a', true],
  ['\\x41\\x{42}\\103\\.', 'ABC.', true],
  ['\\Qa.b\\E+', 'a.bb', true],
  ['\\Qa.b', 'a.b', true],
  ['(?P<name>a)(?<other>b)', 'ab', true],
  ['(?U)a+', 'aa', true],
  ['a(?i)*', 'aa', true],
  ['a{0}', '', true],
  ['\\x{1F600}\\_', '😀_', true],
  ['[😀-😂]x', '😁x', true],
  ['/api/v1/users/\\d+', '/api/v1/users/42', true],
  ['.*\\.(js|png)', '/static/app.js', true],
]

t.test('matches whole values, in RE2’s syntax', async t => {
  for (const [pattern, value, expected] of matches) {
    t.equal(compilePattern(pattern).matches(octets(value)), expected, `${pattern} on ${JSON.stringify(value)}`)
  }
})

t.test('replaces every match, with what its groups took', async t => {
  const replace = (pattern: string, value: string, rewrite: string) =>
    compilePattern(pattern).replaceAll(value, rewrite)
  t.equal(replace('a', '/banana', 'b'), '/bbnbnb')
  t.equal(replace('/(\\w+)/(\\w+)', '/x/y/z', '/\\2/\\1'), '/y/x/z')
  t.equal(replace('(a)|(b)', 'ab', '<\\1,\\2>'), '<a,><,b>')
  t.equal(replace('a+?', 'aaa', 'x'), 'xxx')
  t.equal(replace('a|ab', 'abab', 'x'), 'xbxb')
  t.equal(replace('b*', 'abc', '-'), '-a-c-')
  t.equal(replace('$', 'ab', '!'), 'ab!')
  t.equal(replace('.', 'ab', '\\0\\\\'), 'a\\b\\')
  t.equal(replace('(a)', 'a', '[\\2$1$&]'), '[$1$&]')
  t.equal(replace('^a', 'aaa', 'x'), 'xaa')
  t.equal(Buffer.from(replace('', octets('é😀'), '-'), 'latin1').toString(), '-é-😀-')
  t.equal(replace('é', 'cafÃ©', 'e'), 'cafe')
})

const refused: Readonly<Record<string, readonly string[]>> = {
  repetitions: '* +a (*) a|* a** a++ a{2}{3} a{1,1001} a{2,1} (a{100}){11} ((a{10}){11}){10}'.split(' '),
  groups: ['(', ')', '(a', 'a)', '(?P<n>a)(?<n>b)', '(?P<>a)', '(?<n', '(?P=n)', '(?x)a', '(?-)', '(?i'],
  'looks around': ['(?=a)b', '(?!a)b', '(?<=a)b', '(?<!a)b', '(?>a)'],
  brackets: ['[', '[a', '[z-a]', '[[:foo:]]', '[a-\\d]', '[\\z]', '[\\8]'],
  escapes: ['\\', '(a)\\1', '\\8', '\\Z', '\\C', '\\k', '\\k<n>', '\\xZ', '\\x{}', '\\x{110000}', '\\é'],
  'classes without such a name': ['\\p', '\\p{', '\\p{}', '\\p{Foo}', '\\p{Grek}', '\\p{greek}', '\\pé', '[\\p{Foo}]'],
}

t.test('refuses what RE2 refuses', async t => {
  for (const pattern of Object.values(refused).flat()) t.throws(() => compilePattern(pattern), SyntaxError, pattern)
})

t.test('takes what RE2 takes', async t => {
  const taken = 'x| | () a*?b+?c?? a{3}? a{1,1000} (a{10}){100} a{ a{x} ^* (?) (?-i)a \\p{^Thai} \\0'.split(' ')
  const brackets = '[-a] [a-c-e] [\\d-z] [[:^digit:]x] [\\x41-\\x5a] [\\pN\\p{Han}]'.split(' ')
  for (const pattern of [...taken, ...brackets]) t.equal(patternProblem(pattern), undefined, pattern)
})

t.test('says why an expression cannot be used', async t => {
  t.equal(patternProblem('/a/.*'), undefined)
  t.equal(patternProblem('a)'), 'cannot be read (unexpected ): `a)`)')
  t.equal(patternProblem('\\p{Emoji}'), 'has \\p{Emoji}, which RE2 does not know')
  t.match(patternProblem('(a){1000}'.repeat(20)), 'too large')
})

t.test('values outside ASCII are read like others', async t => {
  const pattern = compilePattern('[^/]+/x')
  t.ok(pattern.matches('a/x'))
  t.ok(pattern.matches('\u00c3\u00a9/x'))
  t.notOk(pattern.matches('\u00c3\u00a9/y'))
  t.ok(compilePattern('^a.$|b').matches('a\u00c3\u00a9'), 'one character, two octets')
})

t.test('octets that are no UTF-8 match nothing, as with RE2', async t => {
  for (const value of ['a\u00ffb', 'a\u00c3', '\u00ed\u00a0\u0080', '\u00c0\u0080']) {
    for (const pattern of ['.*', '[^/]+', '\\PL*', '(?s:.*)', '[^x]*\\x{FFFD}?.*']) {
      t.notOk(compilePattern(pattern).matches(value), `${pattern} on ${JSON.stringify(value)}`)
    }
    t.equal(compilePattern('.').replaceAll(value, 'x'), value, 'and stay as they are')
  }
  t.ok(compilePattern('\\x{FFFD}').matches('\u00ef\u00bf\u00bd'), 'what stands for them is a character when it is sent')
})

t.test('a pattern that has met many values still knows others', async t => {
  const pattern = compilePattern('(?:[ab]*a[ab]{9})+')
  const value = (number: number) => number.toString(2).padStart(14, '0').replaceAll('0', 'a').replaceAll('1', 'b')
  const engine = /^(?:[ab]*a[ab]{9})+$/
  const wrong = Array.from({ length: 2 ** 14 }, (_, number) => value(number)).filter(
    text => pattern.matches(text) !== engine.test(text),
  )
  t.same(wrong, [])
})

t.test('repetitions inside each other take no longer than the value is long', async t => {
  t.notOk(compilePattern('(a+)+b').matches('a'.repeat(20_000)))
  t.notOk(compilePattern('(a|aa)+b').matches('a'.repeat(20_000)))
  t.ok(compilePattern('(x?){500}').matches('x'.repeat(500)))
})

t.test('agrees with JavaScript’s engine where both know the syntax', async t => {
  const atom = fc.constantFrom('a', 'b', '.', '[ab]', '[^a]', '\\w', '^', '$', '\\b')
  const { pattern } = fc.letrec<{ pattern: string }>(tie => ({
    pattern: fc.oneof(
      { depthSize: 'small' },
      atom,
      fc.tuple(tie('pattern'), tie('pattern')).map(parts => parts.join('')),
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => `(${left}|${right})`),
      fc
        .tuple(tie('pattern'), fc.constantFrom('*', '+', '?', '*?', '{0,2}', '{1,}'))
        .map(([item, times]) => `(?:${item})${times}`),
    ),
  }))
  const value = fc.string({ unit: fc.constantFrom('a', 'b', '-', '\n'), maxLength: 6 })
  const same = (expression: string, text: string) =>
    compilePattern(expression).matches(text) === new RegExp(`^(?:${expression})$`, 'u').test(text)
  t.doesNotThrow(() => fc.assert(fc.property(pattern, value, same), { numRuns: 2000, seed: 7 }))
})

t.test('the engine is loaded by the first expression, not before', async t => {
  const source = new URL('../../../../mesh/std/linear-pattern.ts', import.meta.url)
  const script = `
    import { createRequire } from 'node:module'
    const { compilePattern } = await import('${source.href}')
    const loaded = () => Object.keys(createRequire('${source.href}').cache).some(file => file.includes('re2js'))
    const before = loaded()
    compilePattern('a+')
    process.stdout.write(JSON.stringify([before, loaded()]))`
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { encoding: 'utf8' })
  t.same(JSON.parse(output), [false, true])
})
