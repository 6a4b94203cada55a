import { startCalls } from './calls.ts'
import { commandsOf } from './commands.ts'
import type { DemoConsul } from './consul.ts'
import { startPayments } from './payments.ts'
import type { DemoMesh } from './stage.ts'
import { tellConsulFaults } from './story-consul.ts'
import { tellKnownTwice, tellMigration } from './story-migration.ts'
import type { Teller } from './teller.ts'

/**
 * What several registries are like: a service moves from one to the other, then one of them fails in every way, while
 * calls of that service go on all the time.
 */
export async function tellRegistriesStory(mesh: DemoMesh, consul: DemoConsul, tell: Teller): Promise<void> {
  const commands = commandsOf(mesh, tell)
  const instances = await startPayments(mesh.hosts)
  await tellKnownTwice({ mesh, consul, commands, tell })
  const calls = await startCalls(mesh)
  tell.note('from now on web on h1 calls payments every 40 ms: a new connection each time, none tried twice')
  await tellMigration({ mesh, commands, calls, tell })
  await tellConsulFaults({ mesh, consul, commands, calls, instances, tell })
  await calls.end(tell)
}
