import { fileURLToPath } from 'node:url'
import type { CaptureStatus } from '../../agent/intercept/capture.ts'
import type { CapturePlan } from '../../agent/intercept/plan.ts'
import { eventually } from '../support/eventually.ts'
import type { Host, RunOptions } from './host.ts'
import type { HostProcess } from './process.ts'
import type { CaptureAgentConfig } from './programs/capture-agent.ts'

/** A program of `test/netns/programs`, by name. */
export const program = (name: string): string => fileURLToPath(new URL(`programs/${name}.ts`, import.meta.url))

/** A plan that captures the usual virtual addresses and nothing else. */
export const plainPlan: CapturePlan = {
  virtualIpRanges: ['240.240.0.0/16', 'fd00:240::/48'],
  endpoints: [],
  defaultPort: 15001,
  callers: [],
  inbound: [],
  inboundPort: 15006,
}

export interface CaptureAgent extends HostProcess {
  status(): Promise<CaptureStatus>
  /** Sends a command and gives the one line of its answer. */
  ask(command: string): Promise<string>
}

/** Starts an agent's capture on a host, with listeners on the given ports, and waits until its plan is in place. */
export async function startCaptureAgent(
  host: Host,
  config: CaptureAgentConfig,
  options: RunOptions = {},
): Promise<CaptureAgent> {
  const cgroup = options.cgroup ?? 'system.slice/weft-agent.service'
  const running = host.spawn(process.execPath, [program('capture-agent'), JSON.stringify(config)], {
    ...options,
    cgroup,
  })
  await running.line('captured')
  let asked = 0
  const ask = async (command: string) => {
    const before = running.lines().length
    asked += 1
    running.write(`${command}\n`)
    return await eventually(() => {
      const line = running.lines()[before]
      if (line === undefined) throw new Error(`no answer to command ${asked}:\n${running.output.stderr}`)
      return line
    })
  }
  return {
    ...running,
    ask,
    status: async () => JSON.parse((await ask('status')).replace('status ', '')) as CaptureStatus,
  }
}

/** Connects once from a host; gives what was heard, or the error's code. */
export async function dialFrom(host: Host, address: string, port: number, options: RunOptions = {}): Promise<string> {
  return (await host.must(process.execPath, [program('dial'), address, String(port)], options)).trimEnd()
}

/** A server on a host that answers everybody with a text. */
export async function answerOn(host: Host, port: number, text: string, options: RunOptions = {}): Promise<HostProcess> {
  const server = host.spawn(process.execPath, [program('answer'), String(port), text], options)
  await server.line('listening')
  return server
}
