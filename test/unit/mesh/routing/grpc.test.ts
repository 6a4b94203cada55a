import t from 'tap'
import {
  grpcStatusNumber,
  grpcStatusOf,
  grpcTimeout,
  grpcTimeoutMs,
  isGrpcRequest,
} from '../../../../mesh/routing/grpc.ts'

t.test('gRPC is known by its content type', async t => {
  const grpc = (type: string) => isGrpcRequest(['Content-Type', type])
  for (const type of ['application/grpc', 'application/grpc+proto', 'Application/GRPC; charset=utf-8']) t.ok(grpc(type))
  for (const type of ['application/grpc-web', 'application/json', '']) t.notOk(grpc(type))
  t.notOk(isGrpcRequest([]))
})

t.test('HTTP statuses have their gRPC ones', async t => {
  const expected = { 200: 2, 400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 500: 2, 502: 14, 503: 14, 504: 14, 555: 2 }
  for (const [status, grpc] of Object.entries(expected)) t.equal(grpcStatusOf(Number(status)), grpc, status)
  t.equal(grpcStatusNumber('OK'), 0)
  t.equal(grpcStatusNumber('UNAUTHENTICATED'), 16)
  t.equal(grpcStatusNumber('8'), 8)
  for (const name of ['', 'unavailable', '17', '-1']) t.equal(grpcStatusNumber(name), undefined)
})

t.test('time-outs are read in any unit and written in the finest that fits', async t => {
  const read = { '1H': 3_600_000, '2M': 120_000, '3S': 3000, '4m': 4, '1u': 1, '1n': 1, '99999999m': 99_999_999 }
  for (const [text, ms] of Object.entries(read)) t.equal(grpcTimeoutMs(text), ms, text)
  for (const text of ['', '1', 'm', '1s', '123456789m', '-1S', '1.5S']) t.equal(grpcTimeoutMs(text), undefined, text)
  t.same([1, 1.2, 99_999_999, 1e8, 1e11, 6e12].map(grpcTimeout), [
    '1m',
    '2m',
    '99999999m',
    '100000S',
    '1666666M',
    '1666666H',
  ])
})
