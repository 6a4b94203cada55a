import { makeGenericClientConstructor, type ServiceDefinition, type UntypedHandleCall } from '@grpc/grpc-js'

/** A service of two methods, made by hand: messages are plain bytes, so there is nothing to generate. */
const bytes = {
  requestSerialize: (value: Buffer) => value,
  requestDeserialize: (value: Buffer) => value,
  responseSerialize: (value: Buffer) => value,
  responseDeserialize: (value: Buffer) => value,
}

export const echoService = {
  unary: { path: '/test.Echo/Unary', requestStream: false, responseStream: false, ...bytes },
  chat: { path: '/test.Echo/Chat', requestStream: true, responseStream: true, ...bytes },
} satisfies ServiceDefinition<Record<string, UntypedHandleCall>>

export const EchoClient = makeGenericClientConstructor(echoService, 'Echo')
