import { existsSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { cgroupBase } from '../../test/netns/cgroups.ts'
import type { DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

const meshed = ['h1', 'h2', 'h3'] as const
const weft = join(import.meta.dirname, '../../cli/main.ts')

/** Checks that the demo leaves nothing behind: no rule, namespace, cgroup or process. */
export class Leftovers {
  #world = ''
  #pids: number[] = []
  #directory = ''

  /** Remembers what belongs to this demo. */
  before(mesh: DemoMesh): void {
    this.#world = mesh.hosts.h1.namespace.replace(/-h1$/, '')
    this.#directory = mesh.directory
  }

  /** Stops every agent and cleans up as an operator does, then looks at what iptables still has. */
  async afterCleanup(mesh: DemoMesh, tell: Teller): Promise<void> {
    this.#pids = [mesh.server.process.pid, ...meshed.map(name => mesh.agents[name].process.pid)]
    for (const name of meshed) {
      await mesh.agents[name].kill('SIGTERM')
      const host = mesh.hosts[name]
      const said = await host.must(process.execPath, [weft, 'agent', 'cleanup'])
      tell.command(name, 'weft agent cleanup', said)
      const rules = await host.rules()
      tell.check(`no rule of Weft is left on ${name}`, !/weft/i.test(rules))
    }
  }

  /** After everything was stopped: looks at the machine itself. */
  afterStop(tell: Teller): void {
    if (this.#world === '') return
    const namespaces = existsSync('/run/netns') ? readdirSync('/run/netns') : []
    tell.check('no network namespace is left', !namespaces.some(name => name.startsWith(this.#world)))
    tell.check('no cgroup is left', !existsSync(join(cgroupBase(), this.#world)))
    tell.check(
      'no process is left',
      this.#pids.every(pid => !existsSync(`/proc/${pid}`)),
    )
    tell.check('no file is left', !existsSync(this.#directory))
  }
}
