import { eos, huffmanCode } from './huffman-code.ts'

/**
 * Decoding walks the code tree four bits at a time: one entry per (inner node, nibble) holds the node that follows, a
 * symbol when one is complete, and whether the input may end there (RFC 7541 section 5.2: padding is at most seven
 * bits, all ones). No code is shorter than five bits, so a nibble completes at most one symbol.
 */
const nodeBits = 0xff
const symbolShift = 8
const emits = 1 << 16
const mayEnd = 1 << 17
const fails = 1 << 18

const transitions: Int32Array = buildTransitions()

/**
 * Decodes `from[start, end)` into `into` and returns the number of bytes, or -1 when the input is not valid or longer
 * than `into`.
 */
export function huffmanDecode(from: Buffer, start: number, end: number, into: Buffer): number {
  let node = 0
  let size = 0
  let last = mayEnd
  const room = into.length
  for (let at = start; at < end; at += 1) {
    const byte = from[at] ?? 0
    last = transitions[(node << 4) | (byte >>> 4)] ?? fails
    if (last & fails) return -1
    if (last & emits) {
      if (size === room) return -1
      into[size++] = (last >>> symbolShift) & 0xff
    }
    last = transitions[((last & nodeBits) << 4) | (byte & 0xf)] ?? fails
    if (last & fails) return -1
    if (last & emits) {
      if (size === room) return -1
      into[size++] = (last >>> symbolShift) & 0xff
    }
    node = last & nodeBits
  }
  return last & mayEnd ? size : -1
}

/** Bytes the Huffman code of a latin1 string takes. */
export function huffmanLength(text: string): number {
  let bits = 0
  for (let at = 0; at < text.length; at += 1) bits += huffmanCode.lengths[text.charCodeAt(at) & 0xff] ?? 0
  return (bits + 7) >>> 3
}

/** Encodes a latin1 string at `at`, padded with ones; returns the offset behind it. The caller has made room. */
export function huffmanEncode(text: string, into: Buffer, at: number): number {
  let pending = 0
  let bits = 0
  for (let index = 0; index < text.length; index += 1) {
    const symbol = text.charCodeAt(index) & 0xff
    let left = huffmanCode.lengths[symbol] ?? 0
    const code = huffmanCode.codes[symbol] ?? 0
    while (left > 0) {
      const take = Math.min(8 - bits, left)
      left -= take
      pending = (pending << take) | ((code >>> left) & ((1 << take) - 1))
      bits += take
      if (bits === 8) {
        into[at++] = pending
        pending = 0
        bits = 0
      }
    }
  }
  if (bits > 0) into[at++] = (pending << (8 - bits)) | (0xff >>> bits)
  return at
}

interface Node {
  readonly children: [number, number]
  /** Distance from the root, and whether the way here was all ones. */
  readonly depth: number
  readonly allOnes: boolean
}

/** Leaves are stored as -1 - symbol, so that inner nodes keep their plain index. */
function buildTree(): readonly Node[] {
  const nodes: Node[] = [{ children: [0, 0], depth: 0, allOnes: true }]
  for (let symbol = 0; symbol <= eos; symbol += 1) {
    const length = huffmanCode.lengths[symbol] ?? 0
    const code = huffmanCode.codes[symbol] ?? 0
    let node = nodes[0]
    for (let depth = 1; depth <= length && node !== undefined; depth += 1) {
      const bit = (code >>> (length - depth)) & 1
      if (depth === length) {
        node.children[bit] = -1 - symbol
      } else if (node.children[bit] === 0) {
        node.children[bit] = nodes.length
        nodes.push({ children: [0, 0], depth, allOnes: node.allOnes && bit === 1 })
      }
      node = nodes[node.children[bit] ?? 0]
    }
  }
  return nodes
}

function buildTransitions(): Int32Array {
  const nodes = buildTree()
  const table = new Int32Array(nodes.length * 16)
  for (let start = 0; start < nodes.length; start += 1) {
    for (let nibble = 0; nibble < 16; nibble += 1) table[start * 16 + nibble] = walk(nodes, start, nibble)
  }
  return table
}

function walk(nodes: readonly Node[], start: number, nibble: number): number {
  let at = start
  let entry = 0
  for (let bit = 3; bit >= 0; bit -= 1) {
    const next = nodes[at]?.children[(nibble >>> bit) & 1] ?? 0
    if (next === -1 - eos) return fails
    if (next < 0) entry |= emits | ((-1 - next) << symbolShift)
    at = Math.max(next, 0)
  }
  const node = nodes[at]
  if (node?.allOnes === true && node.depth < 8) entry |= mayEnd
  return entry | at
}
