import { readFileSync } from 'node:fs'
import fc from 'fast-check'
import t from 'tap'
import { normalizePath, type PathNormalization } from '../../../../mesh/routing/path.ts'

const modes: readonly PathNormalization[] = ['DEFAULT', 'NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES']

/** What comes of a path with NONE, BASE, MERGE_SLASHES and DECODE_AND_MERGE_SLASHES; '' for a refusal. */
const table: readonly (readonly [path: string, none: string, base: string, merged: string, decoded: string])[] = [
  ['/', '/', '/', '/', '/'],
  ['*', '*', '*', '*', '*'],
  ['/a/b', '/a/b', '/a/b', '/a/b', '/a/b'],
  ['/a/./b/.', '/a/./b/.', '/a/b/', '/a/b/', '/a/b/'],
  ['/a/../../b', '/a/../../b', '/b', '/b', '/b'],
  ['/..', '/..', '/', '/', '/'],
  ['/a/b/..', '/a/b/..', '/a/', '/a/', '/a/'],
  ['/.well-known/...', '/.well-known/...', '/.well-known/...', '/.well-known/...', '/.well-known/...'],
  ['//a//b//', '//a//b//', '//a//b//', '/a/b/', '/a/b/'],
  ['/a///..//b', '/a///..//b', '/a///b', '/a/b', '/a/b'],
  ['/%61%2E%2e/%7e', '/%61%2E%2e/%7e', '/a../~', '/a../~', '/a../~'],
  ['/x/%2e%2E/y', '/x/%2e%2E/y', '/y', '/y', '/y'],
  ['/a%2Fb%5cc', '/a%2Fb%5cc', '/a%2Fb%5cc', '/a%2Fb%5cc', '/a/b/c'],
  ['/a%2f..%2f..%2fb', '/a%2f..%2f..%2fb', '/a%2f..%2f..%2fb', '/a%2f..%2f..%2fb', '/b'],
  ['/a\\..\\b', '/a\\..\\b', '/b', '/b', '/b'],
  ['/%252e%252e/a', '/%252e%252e/a', '/%252e%252e/a', '/%252e%252e/a', '/%252e%252e/a'],
  ['/a%', '/a%', '/a%', '/a%', '/a%'],
  ['/a%zz%c3%A9', '/a%zz%c3%A9', '/a%zz%c3%A9', '/a%zz%c3%A9', '/a%zz%c3%A9'],
  ['/a%00', '/a%00', '', '', ''],
  ['/a?x=//../%2f%00\\', '/a?x=//../%2f%00\\', '/a?x=//../%2f%00\\', '/a?x=//../%2f%00\\', '/a?x=//../%2f%00\\'],
  ['/a#b?c', '/a', '/a', '/a', '/a'],
  ['/a/../b?c#d', '/a/../b?c', '/b?c', '/b?c', '/b?c'],
  ['', '', '', '', ''],
  ['a', '', '', '', ''],
  ['http://h/a', '', '', '', ''],
  ['/a b', '', '', '', ''],
  ['/a\tb', '', '', '', ''],
  ['/a\u007f', '', '', '', ''],
  ['/\u00c3\u00a9', '', '', '', ''],
  ['/a?\u00e9', '', '', '', ''],
]

t.test('each mode gives a path its one form, or refuses it', async t => {
  for (const [path, none, base, merged, decoded] of table) {
    const expected = { DEFAULT: base, NONE: none, BASE: base, MERGE_SLASHES: merged, DECODE_AND_MERGE_SLASHES: decoded }
    for (const mode of modes) t.equal(normalizePath(path, mode) ?? '', expected[mode], `${path} ${mode}`)
  }
})

interface PathRow extends Readonly<Record<Exclude<PathNormalization, 'DEFAULT'>, string | null>> {
  readonly path: string
}

t.test('attacks, their neighbours and every single escape come out as recorded, and stay so', async t => {
  const rows = readFileSync(new URL('../../../fixtures/policy/paths.jsonl', import.meta.url), 'utf8')
    .trim()
    .split('\n')
    .map((line): PathRow => JSON.parse(line))
  const escapes = new Set(rows.flatMap(({ path }) => /^\/a%([0-9a-f]{2})b$/i.exec(path)?.[1]?.toLowerCase() ?? []))
  t.equal(escapes.size, 256)
  for (const row of rows) {
    for (const mode of ['NONE', 'BASE', 'MERGE_SLASHES', 'DECODE_AND_MERGE_SLASHES'] as const) {
      const expected = row[mode]
      t.equal(normalizePath(row.path, mode) ?? null, expected, `${row.path} ${mode}`)
      if (expected !== null) t.equal(normalizePath(expected, mode), expected, `${expected} ${mode} again`)
    }
  }
})

t.test('what is decoded never becomes a part of another escape', async t => {
  t.equal(normalizePath('/%2%65%2%65/a', 'BASE'), '/%2%65%2%65/a')
  t.equal(normalizePath('/a%%32fb', 'DECODE_AND_MERGE_SLASHES'), '/a%%32fb')
  t.equal(normalizePath('/a%2%66b', 'DECODE_AND_MERGE_SLASHES'), '/a%2%66b')
})

const pieces = fc.constantFrom(
  '/',
  '/',
  '.',
  '..',
  '%',
  '%2',
  '%2e',
  '%2F',
  '%5c',
  '%25',
  '%65',
  '%66',
  '%32',
  'a',
  '2',
  'F',
)
const anyPath = fc.array(fc.oneof(pieces, fc.constantFrom('\\', '?', '#', '%00', ' ')), { maxLength: 14 })

t.test('a second time changes nothing', async t => {
  for (const mode of modes) {
    const idempotent = (parts: string[]) => {
      const once = normalizePath(`/${parts.join('')}`, mode)
      return once === undefined || normalizePath(once, mode) === once
    }
    t.doesNotThrow(() => fc.assert(fc.property(anyPath, idempotent), { numRuns: 5000, seed: 11 }))
  }
})

t.test('no dot segment is left, and with merged slashes no empty one but the last', async t => {
  for (const mode of modes.filter(name => name !== 'NONE')) {
    const clean = (parts: string[]) => {
      const path = normalizePath(`/${parts.join('')}`, mode)?.split('?')[0]
      if (path === undefined) return true
      const segments = path.slice(1).split('/')
      const merged = mode.includes('MERGE') ? !segments.slice(0, -1).includes('') : true
      return merged && !segments.includes('.') && !segments.includes('..') && !path.includes('\\')
    }
    t.doesNotThrow(() => fc.assert(fc.property(anyPath, clean), { numRuns: 5000, seed: 12 }))
  }
})
