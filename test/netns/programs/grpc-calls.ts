import { makeGenericClientConstructor, type ServiceDefinition, type UntypedHandleCall } from '@grpc/grpc-js'

/** A service with a method of every kind, made by hand: messages are plain bytes, so there is nothing to generate. */
const method = (name: string, requestStream: boolean, responseStream: boolean) => ({
  path: `/test.Calls/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (value: Buffer) => value,
  requestDeserialize: (value: Buffer) => value,
  responseSerialize: (value: Buffer) => value,
  responseDeserialize: (value: Buffer) => value,
})

export const callsService = {
  unary: method('Unary', false, false),
  fail: method('Fail', false, false),
  collect: method('Collect', true, false),
  spread: method('Spread', false, true),
  chat: method('Chat', true, true),
  wait: method('Wait', false, false),
  half: method('Half', false, true),
} satisfies ServiceDefinition<Record<string, UntypedHandleCall>>

export const CallsClient = makeGenericClientConstructor(callsService, 'Calls')
