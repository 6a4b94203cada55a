import fc from 'fast-check'
import { RE2JS } from 're2js'
import t from 'tap'
import { limitProblem, sizeAtMost } from '../../../../mesh/std/regex-limits.ts'

t.test('properties and names that RE2 does not have are refused', async t => {
  const names = [
    'Ascii',
    'Assigned',
    'Cn',
    'LC',
    'Lc',
    'Alphabetic',
    'Dash',
    'Emoji',
    'Lowercase',
    'Math',
    'White_Space',
  ]
  for (const name of names) {
    t.match(limitProblem(`a\\p{${name}}`), /does not know/, name)
    t.match(limitProblem(`[^\\P{^${name}}]`), /does not know/, name)
  }
  const known = [
    '\\pL',
    '\\p{Lu}',
    '\\PN',
    '[\\p{^Greek}\\p{Any}]',
    '\\p{Old_Italic}',
    '\\Q\\p{Math}\\E',
    '\\\\p{Math}',
  ]
  for (const pattern of known) t.equal(limitProblem(pattern), undefined, pattern)
})

t.test('what is too large once written out is refused before it is', async t => {
  const short = [
    'a{1000}'.repeat(40),
    `(?:${'[^a]'.repeat(250)}){1000}`,
    `(?:${'a?'.repeat(500)}){1000}`,
    '(a{1000}){1000}',
  ]
  for (const pattern of short) t.match(limitProblem(pattern), /too large/, pattern)
  const long = [
    'a{1000}'.repeat(30),
    '('.repeat(500),
    '\\Qa{1000}\\E{1000}',
    '[a{1000}]{1000}',
    '\\x{41}{1000}',
    'a{01}{1000}',
  ]
  for (const pattern of long) t.equal(limitProblem(pattern), undefined, pattern)
})

t.test('a program is never larger than what was counted', async t => {
  const atoms = [
    '',
    'a',
    'bc',
    '.',
    '\\d',
    '\\x{41}',
    '\\pL',
    '[a-z:{]',
    '[^]x]',
    '[[:alpha:]]',
    '(?i)',
    '\\Qab\\E',
    '^',
    '$',
    '\\b',
  ]
  const times = ['*', '+', '?', '*?', '??', '{3}', '{2,}', '{0}', '{0,1}', '{1,7}', '{0,}?', '{2,3}?']
  const { pattern } = fc.letrec<{ pattern: string }>(tie => ({
    pattern: fc.oneof(
      { depthSize: 'medium' },
      fc.constantFrom(...atoms),
      fc.tuple(tie('pattern'), tie('pattern')).map(parts => parts.join('')),
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => `(${left}|${right})`),
      fc.tuple(tie('pattern'), tie('pattern')).map(([left, right]) => `(?s:${left}|${right})`),
      fc.tuple(tie('pattern'), fc.constantFrom(...times)).map(([item, often]) => `(?:${item})${often}`),
      fc.tuple(tie('pattern'), fc.constantFrom(...times)).map(([item, often]) => `(${item})${often}`),
    ),
  }))
  const counted = (expression: string) => RE2JS.compile(expression).programSize() <= sizeAtMost(expression)
  t.doesNotThrow(() => fc.assert(fc.property(pattern, counted), { numRuns: 3000, seed: 7 }))
})
