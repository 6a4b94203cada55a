import t from 'tap'
import { didYouMean } from '../../../../mesh/std/did-you-mean.ts'

const known = ['host', 'ports', 'endpoints', 'resolution', 'workloadSelector']

t.test('finds the word that was probably meant', async t => {
  const rows = [
    ['hots', 'host'],
    ['port', 'ports'],
    ['Endpoint', 'endpoints'],
    ['resoluton', 'resolution'],
    ['workloadselector', 'workloadSelector'],
  ] as const
  for (const [word, meant] of rows) t.equal(didYouMean(word, known), meant, word)
})

t.test('suggests nothing when no word is close', async t => {
  for (const word of ['', 'x', 'zebra', 'h', 'resource']) t.equal(didYouMean(word, known), undefined, word)
})
