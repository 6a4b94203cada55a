import { assertNever } from '../std/assert-never.ts'
import { checkName, checkText, cleanSentence, Fields, malformed, maxPemLength, maxTextLength } from './fields.ts'
import {
  type AgentMessage,
  type EncodedResource,
  maxMessageBytes,
  type RejectedResource,
  type ResourceVersion,
  type ServerMessage,
} from './messages.ts'
import { plainReport, readReport } from './report-codec.ts'
import { type MessageType, schema } from './schema.ts'
import { countFields } from './wire-shape.ts'

const maxResources = 100_000
const maxFacts = 256
const maxCapabilities = 256
const maxChain = 16
const maxCsrBytes = 64 * 1024
// Every entry of a list costs some hundred bytes once decoded: counted first, two bytes cannot become two hundred.
const maxFieldsPerMessage = 2 * maxResources + 1000
const hashPattern = /^[0-9a-f]{32}$/

/** Turns the messages of one direction into bytes and back. */
export interface Codec<In, Out> {
  encode(message: Out): Buffer
  /** Throws WEFT_WIRE for anything that is not a message of this protocol; unknown fields are passed over. */
  decode(bytes: Buffer): In
}

/** What an agent's end of a channel speaks. */
export const agentCodec: Codec<ServerMessage, AgentMessage> = {
  encode: encodeAgentMessage,
  decode: decodeServerMessage,
}

/** What a server's end of a channel speaks. */
export const serverCodec: Codec<AgentMessage, ServerMessage> = {
  encode: encodeServerMessage,
  decode: decodeAgentMessage,
}

/** Writes a message of an agent. Throws WEFT_WIRE when it is longer than a message may be. */
export function encodeAgentMessage(message: AgentMessage): Buffer {
  return write(schema().agentMessage, plainAgentMessage(message))
}

/** Writes a message of a server. Throws WEFT_WIRE when it is longer than a message may be. */
export function encodeServerMessage(message: ServerMessage): Buffer {
  return write(schema().serverMessage, plainServerMessage(message))
}

/** Reads and checks a message of an agent. Throws WEFT_WIRE. */
export function decodeAgentMessage(bytes: Buffer): AgentMessage {
  const fields = read(schema().agentMessage, bytes, 'message')
  const kind = fields.oneOf(['hello', 'ack', 'nack', 'ping', 'pong', 'signRequest', 'report'])
  const inner = fields.message(kind)
  switch (kind) {
    case 'hello':
      return {
        kind,
        protocol: inner.integer('protocol'),
        agentVersion: inner.text('agentVersion'),
        have: unique(inner.messages('have', maxResources, resourceVersion), inner.path),
        facts: inner.map('facts', maxFacts, (raw, path) => checkText(raw, path, maxTextLength)),
        capabilities: inner.list('capabilities', maxCapabilities, checkName),
      }
    case 'ack':
      return { kind, version: inner.integer('version') }
    case 'nack':
      return {
        kind,
        version: inner.integer('version'),
        rejected: unique(inner.messages('rejected', maxResources, rejected), inner.path),
      }
    case 'ping':
    case 'pong':
      return { kind, id: inner.integer('id') }
    case 'signRequest':
      return {
        kind: 'sign-request',
        id: inner.integer('id'),
        identity: inner.name('identity'),
        csr: inner.bytes('csr', maxCsrBytes),
      }
    case 'report':
      return readReport(inner)
    default:
      return assertNever(kind)
  }
}

/** Reads and checks a message of a server; the bodies of resources are left for decodeResource. Throws WEFT_WIRE. */
export function decodeServerMessage(bytes: Buffer): ServerMessage {
  const fields = read(schema().serverMessage, bytes, 'message')
  const kind = fields.oneOf(['welcome', 'push', 'ping', 'pong', 'signResponse', 'refused'])
  const inner = fields.message(kind)
  switch (kind) {
    case 'welcome':
      return {
        kind,
        protocol: inner.integer('protocol'),
        serverVersion: inner.text('serverVersion'),
        serverName: inner.text('serverName'),
      }
    case 'push':
      return {
        kind,
        version: inner.integer('version'),
        full: inner.flag('full'),
        changed: unique(inner.messages('changed', maxResources, encodedResource), inner.path),
        removed: inner.list('removed', maxResources, checkName),
      }
    case 'ping':
    case 'pong':
      return { kind, id: inner.integer('id') }
    case 'signResponse': {
      const code = inner.text('errorCode')
      return {
        kind: 'sign-response',
        id: inner.integer('id'),
        chain: inner.list('chain', maxChain, pem),
        ...(code === '' ? {} : { error: { code, reason: inner.sentence('error') } }),
      }
    }
    case 'refused':
      return { kind, code: inner.text('code'), reason: inner.sentence('reason') }
    default:
      return assertNever(kind)
  }
}

function plainAgentMessage(message: AgentMessage): object {
  switch (message.kind) {
    case 'hello':
    case 'ack':
    case 'ping':
    case 'pong':
      return { [message.kind]: message }
    case 'nack':
      return { nack: { version: message.version, rejected: message.rejected.map(plainRejected) } }
    case 'sign-request':
      return { signRequest: message }
    case 'report':
      return { report: plainReport(message) }
    default:
      return assertNever(message)
  }
}

function plainServerMessage(message: ServerMessage): object {
  switch (message.kind) {
    case 'welcome':
    case 'push':
    case 'ping':
    case 'pong':
      return { [message.kind]: message }
    case 'sign-response': {
      const { id, chain, error } = message
      return { signResponse: { id, chain, errorCode: error?.code ?? '', error: cleanSentence(error?.reason ?? '') } }
    }
    case 'refused':
      return { refused: { code: message.code, reason: cleanSentence(message.reason) } }
    default:
      return assertNever(message)
  }
}

function plainRejected(rejected: RejectedResource): RejectedResource {
  return { name: rejected.name, reason: cleanSentence(rejected.reason) }
}

function write(type: MessageType, message: object): Buffer {
  const bytes = type.encode(message)
  if (bytes.length > maxMessageBytes) throw malformed('message', `is longer than ${maxMessageBytes} bytes`)
  return bytes
}

function read(type: MessageType, bytes: Buffer, path: string): Fields {
  if (bytes.length > maxMessageBytes) throw malformed(path, `is longer than ${maxMessageBytes} bytes`)
  if (countFields(bytes, maxFieldsPerMessage) > maxFieldsPerMessage) throw malformed(path, 'has too many fields')
  try {
    return new Fields(type.decode(bytes), path)
  } catch (cause) {
    throw malformed(path, 'is not a protobuf message', cause)
  }
}

function resourceVersion(fields: Fields): ResourceVersion {
  return { name: fields.name('name'), hash: hash(fields) }
}

function encodedResource(fields: Fields): EncodedResource {
  return { name: fields.name('name'), hash: hash(fields), body: fields.bytes('body', maxMessageBytes) }
}

function rejected(fields: Fields): RejectedResource {
  return { name: fields.name('name'), reason: fields.sentence('reason') }
}

function hash(fields: Fields): string {
  const text = fields.text('hash')
  if (!hashPattern.test(text)) throw malformed(`${fields.path}.hash`, 'is not 32 hex digits')
  return text
}

function pem(raw: unknown, path: string): string {
  if (typeof raw !== 'string' || raw.length > maxPemLength) throw malformed(path, 'is not PEM')
  return raw
}

function unique<Item extends { readonly name: string }>(items: readonly Item[], path: string): readonly Item[] {
  if (new Set(items.map(item => item.name)).size < items.length) throw malformed(path, 'names a resource twice')
  return items
}
