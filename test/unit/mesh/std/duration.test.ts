import t from 'tap'
import { parseDurationMs } from '../../../../mesh/std/duration.ts'

t.test('reads durations as Go writes and reads them', async t => {
  const rows: readonly (readonly [string, number])[] = [
    ['0', 0],
    ['-0', 0],
    ['0s', 0],
    ['-0s', 0],
    ['1ms', 1],
    ['300ms', 300],
    ['1s', 1000],
    ['1.5s', 1500],
    ['.5s', 500],
    ['5.s', 5000],
    ['+5s', 5000],
    ['-5s', -5000],
    ['1h30m', 5_400_000],
    ['1m1m', 120_000],
    ['1h2m3.004s', 3_723_004],
    ['100us', 0.1],
    ['100µs', 0.1],
    ['100μs', 0.1],
    ['1ns', 0.000001],
    ['0.1ns', 0],
    ['1.0000000001s', 1000],
    ['2562047h47m16.854775807s', 9_223_372_036_854.775],
    ['-2562047h47m16.854775808s', -9_223_372_036_854.775],
  ]
  for (const [text, ms] of rows) t.equal(parseDurationMs(text), ms, text)
})

t.test('knows what is no duration', async t => {
  const texts = [
    '',
    '5',
    '00',
    '+',
    '-',
    '.',
    's',
    '.s',
    '1d',
    '1 s',
    '5s ',
    ' 5s',
    '1S',
    '--5s',
    '1,5s',
    '1e3s',
    '5s.',
  ]
  for (const text of [...texts, 'banana', '1.2.3s', '0x5s', '٣s', '9223372037s', '2562047h47m16.854775808s']) {
    t.equal(parseDurationMs(text), undefined, text)
  }
  t.equal(parseDurationMs(`${'0'.repeat(10_000)}1s`), undefined)
})
