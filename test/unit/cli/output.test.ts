import t from 'tap'
import { formatDuration, formatOutput, parseOutputFormat, table } from '../../../cli/output.ts'

t.test('columns are as wide as their widest cell', async t => {
  t.equal(
    table(
      ['name', 'state'],
      [
        ['api', 'fresh'],
        ['a-long-name', 'stale'],
      ],
      'nothing',
    ),
    ['NAME         STATE', 'api          fresh', 'a-long-name  stale'].join('\n'),
  )
})

t.test('an empty table says so', async t => {
  t.equal(table(['name'], [], 'no services'), 'no services')
})

t.test('what registries call things cannot steer the terminal', async t => {
  t.notMatch(table(['name'], [['\u001b[2Jgone\u0007\u0085']], 'nothing'), /[\p{Cc}](?<!\n)/u)
})

t.test('json and yaml carry the value whole', async t => {
  const value = { services: [{ name: 'api' }] }
  t.strictSame(JSON.parse(formatOutput('json', value, () => '')), value)
  t.equal(
    formatOutput('yaml', value, () => ''),
    'services:\n  - name: api',
  )
})

t.test('an unknown format is refused with the known ones', async t => {
  t.throws(() => parseOutputFormat('xml'), { code: 'WEFT_USAGE', next: 'use one of table, wide, json, yaml' })
})

t.test('durations read as people say them', async t => {
  t.strictSame([1400, 119_000, 600_000, 7_200_000, 200_000_000].map(formatDuration), [
    '1 s',
    '119 s',
    '10 min',
    '2 h',
    '2 d',
  ])
})
