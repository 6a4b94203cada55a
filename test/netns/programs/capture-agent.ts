import { createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { startCapture } from '../../../agent/intercept/capture.ts'
import { originalDst } from '../../../agent/intercept/original-dst.ts'
import type { CapturePlan } from '../../../agent/intercept/plan.ts'
import { systemClock } from '../../../mesh/std/clock.ts'
import { describeError } from '../../../mesh/std/errors.ts'
import { createLog } from '../../../mesh/std/log.ts'
import { dial } from './dial.ts'

// Capture as the agent does it, with listeners that answer every connection with where it was going. Takes one
// argument of JSON and reads commands from standard input; every answer is one line.

export interface CaptureAgentConfig {
  readonly mode?: 'mesh' | 'all'
  readonly onAgentDown?: 'closed' | 'open'
  readonly plan: CapturePlan
  readonly listen: readonly number[]
  readonly excludePorts?: readonly number[]
  readonly verifyIntervalMs?: number
}

const config = JSON.parse(process.argv[2] ?? '{}') as CaptureAgentConfig
const say = (line: string) => process.stdout.write(`${line}\n`)
const log = createLog('debug', { write: line => void process.stderr.write(line) })

const capture = await startCapture(
  { log, clock: systemClock },
  {
    node: `${process.pid}`,
    mode: config.mode ?? 'mesh',
    onAgentDown: config.onAgentDown ?? 'closed',
    verifyIntervalMs: config.verifyIntervalMs ?? 500,
    excludePorts: config.excludePorts ?? [],
  },
)
for (const port of config.listen) {
  const server = createServer(socket => {
    const { fd } = (socket as Socket & { _handle: { fd: number } })._handle
    const original = originalDst(fd, socket.remoteAddress?.startsWith('::ffff:') === true ? 4 : 6)
    socket.on('error', () => {})
    socket.end(`${port} ${original === undefined ? 'direct' : `${original.address} ${original.port}`}`)
  })
  await new Promise<void>(resolve => server.listen(port, '::', resolve))
}
await capture.update(config.plan)
say('captured')

for await (const line of createInterface({ input: process.stdin })) {
  const [command, ...rest] = line.split(' ')
  try {
    if (command === 'plan') await capture.update(JSON.parse(rest.join(' ')) as CapturePlan)
    if (command === 'stop') await capture.stop()
    if (command === 'status') say(`status ${JSON.stringify(capture.status())}`)
    else if (command === 'dial') say(`dialled ${await dial(rest[0] ?? '', Number(rest[1]))}`)
    else say(`done ${command}`)
  } catch (error) {
    say(`failed ${describeError(error)}`)
  }
  if (command === 'stop') process.exit(0)
}
