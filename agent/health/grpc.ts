import { ChannelCredentials, Client, Metadata, type ServiceError, status } from '@grpc/grpc-js'
import { authority, type CheckResult, failed, type RunCheck } from './check.ts'

const method = '/grpc.health.v1.Health/Check'
/** HealthCheckResponse.ServingStatus, in the order of its numbers. */
const servingStatuses = ['UNKNOWN', 'SERVING', 'NOT_SERVING', 'SERVICE_UNKNOWN'] as const
const maxAnswerBytes = 4096

/**
 * Healthy when the gRPC health service says SERVING (github.com/grpc/grpc, doc/health-checking.md), over plaintext as
 * kubelet does. An empty service name asks for the server as a whole.
 */
export const checkGrpc: RunCheck<'grpc'> = (check, address, signal) =>
  new Promise<CheckResult>(resolve => {
    const client = new Client(authority(address, check.port), ChannelCredentials.createInsecure(), {
      'grpc.primary_user_agent': 'weft-probe',
      'grpc.max_receive_message_length': maxAnswerBytes,
      // A connection of its own: a kept one would say that an old process still answers.
      'grpc.use_local_subchannel_pool': 1,
      'grpc.enable_http_proxy': 0,
      'grpc.service_config_disable_resolution': 1,
      'grpc.enable_retries': 0,
      'grpc.enable_channelz': 0,
    })
    const call = client.makeUnaryRequest(
      method,
      encodeRequest,
      decodeStatus,
      check.service,
      new Metadata(),
      (error, answer) => {
        signal.removeEventListener('abort', cancel)
        client.close()
        if (error !== null) resolve(failedCall(error))
        else if (answer === 1) resolve({ healthy: true, reason: '' })
        else resolve({ healthy: false, reason: servingStatuses[answer ?? 0] ?? `status ${answer}` })
      },
    )
    const cancel = () => call.cancel()
    signal.addEventListener('abort', cancel, { once: true })
    if (signal.aborted) cancel()
  })

function failedCall({ code, details }: ServiceError): CheckResult {
  // Why there is no connection is in the text only, as the system's code.
  const system = /\b(E[A-Z]{4,})\b/.exec(details)?.[1]
  if (code === status.UNAVAILABLE && system !== undefined) return failed({ code: system })
  return { healthy: false, reason: details === '' ? (status[code] ?? `code ${code}`) : `${status[code]}: ${details}` }
}

/** HealthCheckRequest: `string service = 1`. A name is at most 1024 characters, so its length takes two bytes. */
function encodeRequest(service: string): Buffer {
  if (service === '') return Buffer.alloc(0)
  const name = Buffer.from(service)
  const length = name.length < 128 ? [name.length] : [(name.length & 127) | 128, name.length >> 7]
  return Buffer.concat([Buffer.from([0x0a, ...length]), name])
}

/** HealthCheckResponse: `ServingStatus status = 1`; 0, which is UNKNOWN, when it is not there. */
function decodeStatus(message: Buffer): number {
  return message[0] === 0x08 ? (message[1] ?? 0) : 0
}
