import t from 'tap'
import { hash53, highLane, lowFraction, murmur3, scramble } from '../../../../../agent/dataplane/upstream/hash.ts'

/** Text whose UTF-16 code units, lower octet first, are these octets. */
const octets = (text: string) => Buffer.from(text, 'latin1').toString('utf16le')

t.test('hashes as the published test vectors of MurmurHash3 say', async t => {
  t.equal(murmur3('', 0), 0)
  t.equal(murmur3('', 1), 0x514e28b7)
  t.equal(murmur3('', 0xffffffff), 0x81f16f39)
  t.equal(murmur3(octets('aaaa'), 0x9747b28c), 0x5a97808a)
  t.equal(murmur3(octets('aa'), 0x9747b28c), 0x5d211726)
  t.equal(murmur3(octets('abcd'), 0x9747b28c), 0xf0478627)
  t.equal(murmur3(octets('ab'), 0x9747b28c), 0x74875592)
})

t.test('a hash is a whole number below 2^53 with two lanes', async t => {
  for (const text of ['', 'a', 'alice', '10.0.0.1', 'ü', 'x'.repeat(10_000)]) {
    const hash = hash53(text)
    t.ok(Number.isSafeInteger(hash) && hash >= 0, text.slice(0, 10))
    t.ok(highLane(hash) < 2 ** 32)
    t.ok(lowFraction(hash) >= 0 && lowFraction(hash) < 1)
  }
})

t.test('keys that differ a little hash as if they had nothing in common', async t => {
  const buckets = new Array<number>(100).fill(0)
  const fractions = new Array<number>(10).fill(0)
  for (let user = 0; user < 100_000; user += 1) {
    const hash = hash53(`user-${user}`)
    buckets[highLane(hash) % 100] = (buckets[highLane(hash) % 100] ?? 0) + 1
    const tenth = Math.floor(lowFraction(hash) * 10)
    fractions[tenth] = (fractions[tenth] ?? 0) + 1
  }
  // Five standard deviations of a fair draw.
  for (const count of buckets) t.ok(Math.abs(count - 1000) < 5 * Math.sqrt(1000), `${count} of 1000`)
  for (const count of fractions) t.ok(Math.abs(count - 10_000) < 5 * 100, `${count} of 10000`)
})

t.test('scrambling maps no two numbers to one', async t => {
  t.equal(new Set(Array.from({ length: 100_000 }, (_, index) => scramble(index))).size, 100_000)
})
