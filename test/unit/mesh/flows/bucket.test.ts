import t from 'tap'
import { bucketAddress, bucketMethod, bucketPath, isBucketed } from '../../../../mesh/flows/bucket.ts'

t.test('paths lose their query and whatever names one thing of many', async t => {
  for (const [path, bucket] of [
    ['/', '/'],
    ['', ''],
    ['/orders', '/orders'],
    ['/orders/17', '/orders/{*}'],
    ['/orders/17?token=secret', '/orders/{*}'],
    ['/orders?id=17#part', '/orders'],
    ['/u/6ba7b810-9dad-11d1-80b4-00c04fd430c8/cart', '/u/{*}/cart'],
    ['/blobs/0f4dd2a1c9', '/blobs/{*}'],
    ['/files/AbCdEfGh1234567890XyZ_-', '/files/{*}'],
    ['/v1/deadbeef', '/v1/deadbeef'],
    ['/feedback', '/feedback'],
    [`/${'a'.repeat(33)}`, '/{*}'],
    ['/a/b/c/d/e/f/g/h', '/a/b/c/d/e/f/g/h'],
    ['/a/b/c/d/e/f/g/h/i/j', '/a/b/c/d/e/f/g/h/{**}'],
  ] as const) {
    t.equal(bucketPath(path), bucket, path)
  }
  t.ok(isBucketed('/orders/{*}'))
  t.ok(isBucketed('{**}'))
  t.notOk(isBucketed('/orders'))
})

t.test('addresses are known to a /24 or /64, IPv4 in IPv6 clothes as IPv4', async t => {
  t.equal(bucketAddress('10.1.2.3'), '10.1.2.0/24')
  t.equal(bucketAddress('::ffff:10.1.2.3'), '10.1.2.0/24')
  t.equal(bucketAddress('fd00:1:2:3:4:5:6:7'), 'fd00:1:2:3::/64')
  t.equal(bucketAddress('nothing'), '')
})

t.test('methods that callers make up are one', async t => {
  t.equal(bucketMethod('GET'), 'GET')
  t.equal(bucketMethod('BREW'), 'OTHER')
})
