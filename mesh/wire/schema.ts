import { fileURLToPath } from 'node:url'
import { loadSync, type MessageTypeDefinition } from '@grpc/proto-loader'

/** One message type of `control.proto`: plain objects in camel case to bytes and back. */
export interface MessageType {
  /** Never throws for objects our encoders build. */
  encode(message: object): Buffer
  /** Reads one message; throws whatever the protobuf reader throws when the bytes are not one. */
  decode(bytes: Buffer): object
}

/** The three message types that stand alone on the wire. */
export interface Schema {
  readonly agentMessage: MessageType
  readonly serverMessage: MessageType
  readonly agentResource: MessageType
}

let loaded: Schema | undefined

/**
 * The message types of `control.proto`, which lies beside this file in the sources and in `dist/`. It is read at the
 * first use and once, because parsing it takes longer than a message may.
 */
export function schema(): Schema {
  loaded ??= load()
  return loaded
}

function load(): Schema {
  // longs as strings: a version past 2^53 must be noticed, not rounded.
  const definition = loadSync(fileURLToPath(new URL('./control.proto', import.meta.url)), {
    longs: String,
    enums: String,
    defaults: true,
    oneofs: true,
  })
  const type = (name: string): MessageType => {
    const found = definition[`weft.control.v1.${name}`]
    if (found === undefined || !('serialize' in found)) throw new TypeError(`control.proto has no message ${name}`)
    const { serialize, deserialize } = found as MessageTypeDefinition<object, object>
    return { encode: serialize, decode: deserialize }
  }
  return {
    agentMessage: type('AgentMessage'),
    serverMessage: type('ServerMessage'),
    agentResource: type('AgentResource'),
  }
}
