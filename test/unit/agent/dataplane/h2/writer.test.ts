import { Duplex } from 'node:stream'
import t from 'tap'
import { BlockPool } from '../../../../../agent/dataplane/h2/blocks.ts'
import { flag, frameType } from '../../../../../agent/dataplane/h2/frames.ts'
import { FrameWriter } from '../../../../../agent/dataplane/h2/writer.ts'
import { frameBytes, numbers } from '../../../../support/h2-raw.ts'

/** A socket that keeps each write and says when it is done only when told. */
class HeldSocket extends Duplex {
  readonly writes: Buffer[][] = []
  #done: ((error?: Error | null) => void) | undefined
  ended = false
  override _write(chunk: Buffer, _: string, done: (error?: Error | null) => void): void {
    this.writes.push([Buffer.from(chunk)])
    this.#done = done
  }
  override _writev(chunks: { chunk: Buffer }[], done: (error?: Error | null) => void): void {
    this.writes.push(chunks.map(({ chunk }) => Buffer.from(chunk)))
    this.#done = done
  }
  override _read(): void {}
  override _final(done: () => void): void {
    this.ended = true
    done()
  }
  async finishWrite(): Promise<void> {
    const done = this.#done
    this.#done = undefined
    done?.()
    await turn()
  }
}

function turn(): Promise<void> {
  return new Promise(resolve => setImmediate(() => setImmediate(resolve)))
}

function setup(blockBytes = 64 * 1024) {
  const socket = new HeldSocket()
  const written: number[] = []
  const writer = new FrameWriter(socket, new BlockPool(blockBytes), () => written.push(socket.writes.length))
  return { socket, writer, written }
}

t.test('sends all frames of a turn in one write', async t => {
  const { socket, writer } = setup()
  writer.data(1, Buffer.from('hello'), 0, 5, false)
  writer.numberFrame(frameType.windowUpdate, 0, 77)
  writer.frame(frameType.ping, flag.ack, 0, Buffer.alloc(8, 1))
  t.equal(socket.writes.length, 0, 'nothing before the end of the turn')
  await turn()
  t.equal(socket.writes.length, 1)
  t.strictSame(socket.writes[0], [
    Buffer.concat([
      frameBytes(frameType.data, 0, 1, 'hello'),
      frameBytes(frameType.windowUpdate, 0, 0, numbers(77)),
      frameBytes(frameType.ping, flag.ack, 0, Buffer.alloc(8, 1)),
    ]),
  ])
})

t.test('sends only the asked part of a chunk', async t => {
  const { socket, writer } = setup()
  writer.data(5, Buffer.from('0123456789'), 3, 6, true)
  await turn()
  t.strictSame(socket.writes, [[frameBytes(frameType.data, flag.endStream, 5, '345')]])
})

t.test('passes a large payload by reference and keeps the order around it', async t => {
  const { socket, writer } = setup()
  const large = Buffer.alloc(20_000, 7)
  writer.data(1, Buffer.from('a'), 0, 1, false)
  writer.data(1, large, 0, large.length, false)
  writer.data(1, Buffer.from('b'), 0, 1, false)
  await turn()
  t.equal(socket.writes.length, 1)
  t.equal(socket.writes[0]?.length, 3, 'what is before, the payload itself, what is behind')
  const wanted = [Buffer.from('a'), large, Buffer.from('b')].map(part => frameBytes(frameType.data, 0, 1, part))
  t.ok(Buffer.concat(socket.writes[0] ?? []).equals(Buffer.concat(wanted)))
})

t.test('has one write under way and gathers the next meanwhile', async t => {
  const { socket, writer, written } = setup()
  writer.data(1, Buffer.from('a'), 0, 1, false)
  await turn()
  t.equal(writer.writing, true)
  writer.data(1, Buffer.from('b'), 0, 1, false)
  await turn()
  writer.data(1, Buffer.from('c'), 0, 1, false)
  await turn()
  t.equal(socket.writes.length, 1, 'the socket is busy')
  await socket.finishWrite()
  t.equal(socket.writes.length, 2)
  t.equal(written.length, 1)
  t.ok(socket.writes[1]?.[0]?.equals(Buffer.concat(['b', 'c'].map(text => frameBytes(frameType.data, 0, 1, text)))))
})

t.test('has no more room for payload than one block', async t => {
  const { socket, writer } = setup(8192)
  t.equal(writer.room(100), 100)
  t.equal(writer.room(1_000_000), 8192 - 9)
  writer.data(1, Buffer.alloc(8000), 0, 8000, false)
  t.equal(writer.room(100), 100)
  t.equal(writer.room(1000), 0, 'a rest of that size is not worth a frame')
  await turn()
  t.equal(writer.room(8000), 8000, 'the block is with the socket, the next one is free')
  writer.data(1, Buffer.alloc(8000), 0, 8000, false)
  await turn()
  t.equal(writer.room(8000), 0, 'now both are full')
  await socket.finishWrite()
  t.equal(writer.room(8000), 8000)
})

t.test('takes control frames beyond the block, and frames larger than a block', async t => {
  const { socket, writer } = setup(1024)
  const wanted: Buffer[] = []
  for (let index = 0; index < 200; index += 1) {
    writer.numberFrame(frameType.rstStream, index, index)
    wanted.push(frameBytes(frameType.rstStream, 0, index, numbers(index)))
  }
  const block = Buffer.alloc(3000, 3)
  writer.frame(frameType.headers, flag.endHeaders, 1, block)
  wanted.push(frameBytes(frameType.headers, flag.endHeaders, 1, block))
  await turn()
  t.equal(socket.writes.length, 1)
  t.ok(Buffer.concat(socket.writes[0] ?? []).equals(Buffer.concat(wanted)))
})

t.test('ends a stream on its last DATA frame while that is still here', async t => {
  const { socket, writer } = setup()
  writer.data(1, Buffer.from('a'), 0, 1, false)
  writer.endStream(1)
  writer.data(3, Buffer.from('b'), 0, 1, false)
  writer.numberFrame(frameType.windowUpdate, 0, 1)
  writer.endStream(3)
  await turn()
  writer.endStream(5)
  await socket.finishWrite()
  t.ok(
    Buffer.concat(socket.writes.flat()).equals(
      Buffer.concat([
        frameBytes(frameType.data, flag.endStream, 1, 'a'),
        frameBytes(frameType.data, 0, 3, 'b'),
        frameBytes(frameType.windowUpdate, 0, 0, numbers(1)),
        frameBytes(frameType.data, flag.endStream, 3),
        frameBytes(frameType.data, flag.endStream, 5),
      ]),
    ),
  )
})

t.test('ends a stream on a payload that is passed by reference', async t => {
  const { socket, writer } = setup()
  writer.data(1, Buffer.alloc(10_000), 0, 10_000, false)
  writer.endStream(1)
  await turn()
  t.ok(Buffer.concat(socket.writes.flat()).equals(frameBytes(frameType.data, flag.endStream, 1, Buffer.alloc(10_000))))
})

t.test('sends what is left when it is ended, and nothing afterwards', async t => {
  const { socket, writer } = setup()
  writer.data(1, Buffer.from('a'), 0, 1, false)
  writer.end()
  await turn()
  await socket.finishWrite()
  t.equal(socket.ended, true)
  writer.data(1, Buffer.from('b'), 0, 1, false)
  await turn()
  t.strictSame(socket.writes, [[frameBytes(frameType.data, 0, 1, 'a')]])
})
