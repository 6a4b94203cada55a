import type { Command } from 'commander'
import type { AgentStatus } from '../agent/admin/status.ts'
import { parsePorts } from '../agent/registration/declared.ts'
import { MeshError } from '../mesh/std/errors.ts'
import type { CliContext } from './context.ts'
import { formatOutput, table } from './output.ts'

interface RegisterOptions {
  readonly group?: string
  readonly name?: string
  readonly address?: string
  readonly port: readonly string[]
  readonly list?: boolean
}

/** `weft register`: makes this host a workload of a WorkloadGroup, or shows what it is registered as. */
export function addRegisterCommand(program: Command, context: CliContext): void {
  context
    .withAgent(program.command('register'))
    .description('register a workload of this host, as one more of a WorkloadGroup; it stays until it is deregistered')
    .option('--group <namespace/name>', 'the WorkloadGroup it is one of')
    .option('--name <name>', 'its name; default: the name of this host')
    .option('--address <address>', 'its address; default: the one from which this host reaches the server')
    .option('--port <name=port>', 'a port where it is not the group’s; repeat for more', collect, [])
    .option('--list', 'show what this host is registered as, and register nothing')
    .addHelpText(
      'after',
      '\nThe agent of this host keeps the registration and tells the server, which takes it if the group\nexists and this host may hold the identity of the group; weft register --list shows whether it has.',
    )
    .action(async (options: RegisterOptions, command: Command) => {
      const agent = await context.agent(command)
      if (options.list === true) {
        const { registrations } = await agent.get<AgentStatus>('/status')
        return context.print(formatOutput(context.format(command), registrations, () => listing(registrations)))
      }
      const { group, name, address, port } = options
      if (group === undefined) {
        throw new MeshError('WEFT_USAGE', '--group is missing', {
          next: 'say of which WorkloadGroup, as --group <namespace>/<name>, or use --list',
        })
      }
      const body = JSON.stringify({ group, name, address, ports: parsePorts(port) })
      const made = await agent.post<{ name: string }>('/register', body)
      const said = () => `${made.name} is registered here; weft register --list shows when the server has taken it`
      context.print(formatOutput(context.format(command), made, said))
    })
}

function listing(registrations: AgentStatus['registrations']): string {
  const rows = registrations.map(one => [
    one.name,
    one.group,
    one.address ?? '-',
    Object.entries(one.ports)
      .map(([name, port]) => `${name}=${port}`)
      .join(' ') || '(of the group)',
    one.from,
    one.maintenance === '' ? one.state : `${one.state}, maintenance: ${one.maintenance}`,
  ])
  const notes = [
    ...new Set(registrations.flatMap(({ state, detail }) => (detail === undefined ? [] : `! ${state}: ${detail}`))),
  ]
  const head = ['name', 'group', 'address', 'ports', 'from', 'state']
  return [table(head, rows, 'this host is not registered'), ...(notes.length === 0 ? [] : ['', ...notes])].join('\n')
}

function collect(value: string, before: string[]): string[] {
  return [...before, value]
}
