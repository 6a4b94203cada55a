import { Client, credentials, Metadata, type StatusObject } from '@grpc/grpc-js'
import { workloadApiService } from '../../../mesh/wire/workload-schema.ts'

/**
 * A workload that calls a method of the Workload API on a socket, as whichever user it is run: every message is a line
 * of JSON with bytes in base64, and so is the status at the end. A third word is the value of the metadata
 * `workload.spiffe.io` instead of true; empty leaves it out.
 */
const [socket = '', method = '', mark = 'true'] = process.argv.slice(2)
const known = workloadApiService()[method]
const client = new Client(`unix:${socket}`, credentials.createInsecure())
const metadata = new Metadata()
if (mark !== '') metadata.set('workload.spiffe.io', mark)
const call = client.makeServerStreamRequest(
  known?.path ?? `/SpiffeWorkloadAPI/${method}`,
  known?.requestSerialize ?? (() => Buffer.alloc(0)),
  known?.responseDeserialize ?? ((bytes: Buffer) => bytes),
  {},
  metadata,
)
call.on('data', message => console.log(JSON.stringify({ message }, (_key, value) => bytesAsText(value))))
call.on('error', () => {})
call.on('status', ({ code, details }: StatusObject) => {
  console.log(JSON.stringify({ code, details }))
  client.close()
})

/** A Buffer has become `{type, data}` by the time it gets here. */
function bytesAsText(value: unknown): unknown {
  const isBuffer = typeof value === 'object' && value !== null && 'type' in value && value.type === 'Buffer'
  return isBuffer && 'data' in value && Array.isArray(value.data) ? Buffer.from(value.data).toString('base64') : value
}
