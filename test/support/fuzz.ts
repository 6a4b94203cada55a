import fc from 'fast-check'
import { MeshError } from '../../mesh/std/errors.ts'

/** Runs the code under test; a MeshError is an answer too, anything else thrown is a failure. */
export function answerOf<T>(work: () => T): { readonly value: T } | { readonly error: MeshError } {
  try {
    return { value: work() }
  } catch (error) {
    if (error instanceof MeshError) return { error }
    throw error
  }
}

/** One to eight changes to good bytes: bits flipped, bytes set, cut out, doubled or put in. */
export function mutationsOf(good: Uint8Array): fc.Arbitrary<Buffer> {
  const change = fc.record({
    kind: fc.constantFrom('flip', 'set', 'cut', 'double', 'insert'),
    at: fc.nat(good.length - 1),
    length: fc.integer({ min: 1, max: 16 }),
    byte: fc.oneof(fc.constantFrom(0x00, 0x30, 0x7f, 0x80, 0x82, 0xff), fc.nat(255)),
  })
  return fc.array(change, { minLength: 1, maxLength: 8 }).map(changes => {
    let bytes = Buffer.from(good)
    for (const { kind, at, length, byte } of changes) {
      const place = Math.min(at, Math.max(0, bytes.length - 1))
      const [before, within, after] = [
        bytes.subarray(0, place),
        bytes.subarray(place, place + length),
        bytes.subarray(place + length),
      ]
      const kinds = {
        flip: () => bytes.map((value, index) => (index === place ? value ^ (1 << (byte & 7)) : value)),
        set: () => bytes.map((value, index) => (index === place ? byte : value)),
        cut: () => Buffer.concat([before, after]),
        double: () => Buffer.concat([before, within, within, after]),
        insert: () => Buffer.concat([before, Buffer.alloc(length, byte), within, after]),
      } as const
      bytes = Buffer.from(kinds[kind as keyof typeof kinds]())
    }
    return bytes
  })
}

/** Bytes that are well-formed ASN.1 of any shape, some with lengths that lie. */
export function asn1Bytes(): fc.Arbitrary<Buffer> {
  const leaf = fc
    .tuple(fc.nat(255), fc.uint8Array({ maxLength: 40 }))
    .map(([type, value]) => element(type & 0xdf, value))
  const { tree } = fc.letrec<{ tree: Buffer; node: Buffer }>(tie => ({
    tree: fc.oneof({ depthSize: 'medium' }, leaf, tie('node')),
    node: fc
      .tuple(fc.constantFrom(0x30, 0x31, 0xa0, 0xa3, 0x24), fc.array(tie('tree'), { maxLength: 8 }))
      .map(([type, parts]) => element(type, Buffer.concat(parts))),
  }))
  return tree
}

function element(type: number, value: Uint8Array): Buffer {
  const length = value.length < 128 ? [value.length] : [0x82, value.length >> 8, value.length & 0xff]
  return Buffer.concat([Buffer.of(type, ...length), value])
}
