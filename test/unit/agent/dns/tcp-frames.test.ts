import t from 'tap'
import { frame, readFrames } from '../../../../agent/dns/tcp-frames.ts'

t.test('messages come out whole however they were cut into pieces', async t => {
  const messages = ['one', '', 'three'].map(text => Buffer.from(text))
  const bytes = Buffer.concat(messages.map(frame))
  for (let size = 1; size <= bytes.length; size += 1) {
    const read = readFrames(100)
    const heard: Buffer[] = []
    for (let at = 0; at < bytes.length; at += size) heard.push(...(read(bytes.subarray(at, at + size)) ?? []))
    t.same(heard, messages)
  }
})

t.test('a message longer than allowed ends the reading', async t => {
  const read = readFrames(10)
  t.equal(read(frame(Buffer.alloc(11))), undefined)
})
