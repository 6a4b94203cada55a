import t from 'tap'
import { regexProblem } from '../../../../mesh/std/regex-syntax.ts'

t.test('takes what RE2 takes', async t => {
  const good = [
    '',
    'abc',
    'x|',
    '|',
    '()',
    'a*?b+?c??',
    'a{3}?',
    'a{1,1000}',
    '(a{10}){100}',
    'a{',
    'a{,5}',
    'a{x}',
    '^*',
  ]
  const groups = ['(?P<n>a)', '(?<n>a)(?<m>b)', '(?:a)', '(?i)a', '(?i-s:a)', '(?-i)a', '(?)', 'a(?i)*']
  const sets = [
    '[a-z]',
    '[]a]',
    '[^]a]',
    '[a-]',
    '[-a]',
    '[a-c-e]',
    '[\\d-z]',
    '[[:alpha:]]+',
    '[[:^digit:]x]',
    '[\\x41-\\x5a]',
  ]
  const escapes = [
    '\\d+\\w\\s',
    '\\z',
    '\\A',
    '\\bx\\B',
    '\\Qa.b\\E*',
    '\\Qa',
    '\\x41',
    '\\x{1F600}',
    '\\101',
    '\\0',
    '\\.',
    '\\_',
  ]
  const unicode = ['\\pL', '\\p{Lu}', '\\P{Greek}', '\\p{^Thai}', '[\\pN\\p{Han}]', 'é+', '😀?', '[😀-😂]']
  for (const text of [...good, ...groups, ...sets, ...escapes, ...unicode]) t.equal(regexProblem(text), undefined, text)
})

t.test('says what is wrong with what RE2 refuses', async t => {
  const repeats = [
    '*',
    '+a',
    '(*)',
    'a|*',
    'a**',
    'a++',
    'a{2}{3}',
    'a{1,1001}',
    'a{2,1}',
    '(a{100}){11}',
    '((a{10}){11}){10}',
  ]
  const groups = [
    '(',
    ')',
    '(a',
    'a)',
    '(?=a)b',
    '(?!a)b',
    '(?<=a)',
    '(?<!a)',
    '(?>a)',
    '(?x)a',
    '(?P<n>a)(?<n>b)',
    '(?P<>a)',
    '(?-)',
  ]
  const sets = ['[', '[a', '[z-a]', '[[:foo:]]', '[a-\\d]', '[\\z]', '[\\8]']
  const escapes = [
    '\\',
    '(a)\\1',
    '\\8',
    '\\Z',
    '\\C',
    '\\k<n>',
    '\\xZ',
    '\\x{}',
    '\\x{110000}',
    '\\p',
    '\\p{Foo}',
    '\\p{Grek}',
    '\\é',
  ]
  for (const text of [...repeats, ...groups, ...sets, ...escapes]) t.type(regexProblem(text), 'string', text)
})

t.test('reads any text to its end', async t => {
  const parts = ['(', ')', '[', ']', '\\', '{', '}', '?', '*', 'a', '-', '^', ':', 'p', 'Q', '1', '|', '\ud83d']
  let seed = 7
  const next = () => {
    seed = (seed * 48_271) % 2_147_483_647
    return seed
  }
  for (let round = 0; round < 20_000; round += 1) {
    const text = Array.from({ length: next() % 12 }, () => parts[next() % parts.length]).join('')
    const problem = regexProblem(text)
    if (problem !== undefined && problem.length === 0) t.fail(text)
  }
  t.equal(regexProblem('('.repeat(1000)), 'has a ( that is not closed')
})
