import { ensureTools, netnsTools } from '../debian-packages.ts'
import { fetchConsul } from './consul.ts'
import { Leftovers } from './leftovers.ts'
import { setStage } from './stage.ts'
import { tellStory } from './story.ts'
import { tellRegistriesStory } from './story-registries.ts'
import { tellTrafficStory } from './story-traffic.ts'
import { Teller } from './teller.ts'
import { inUserNamespace, needsUserNamespace, runInUserNamespace } from './user-namespace.ts'

/**
 * `npm run demo -- [--once] [--consul]`: a whole mesh in network namespaces, step by step. Without `--once` it stays up
 * until Ctrl-C. Everything is taken away at the end; exits 0 when every check held.
 */
const known = ['--once', '--consul']
const unknown = process.argv.slice(2).filter(argument => !known.includes(argument))
if (unknown.length > 0) {
  console.error(`unknown option ${unknown.join(' ')}: the demo takes ${known.join(' and ')}`)
  process.exit(2)
}
const once = process.argv.includes('--once')
const withConsul = process.argv.includes('--consul')
if (!inUserNamespace()) ensureTools(netnsTools)
// before anything else: inside of a namespace there is no network to fetch it from
if (withConsul && !inUserNamespace()) fetchConsul()
if (needsUserNamespace()) process.exit(await runInUserNamespace())

/** What to try when the mesh stays up, where there is a Consul. */
const registriesCommands = `
  $on cp - weft registries
  $on cp - weft services payments
  $on cp - weft migrate payments --from files --to consul --abort`
const stops: (() => unknown)[] = []
const tell = new Teller()
const leftovers = new Leftovers()
try {
  console.log(
    `starting a server, three hosts with agents, and a stranger${withConsul ? ', with a real Consul' : ''} ...`,
  )
  const { mesh, on, consul } = await setStage({ teardown: stop => stops.push(stop) }, withConsul)
  leftovers.before(mesh)
  await tellStory(mesh, tell)
  await tellTrafficStory(mesh, tell)
  if (consul !== undefined) await tellRegistriesStory(mesh, consul, tell)
  if (!once) await stayUp(on, withConsul)
  tell.step('Everything is taken away')
  await leftovers.afterCleanup(mesh, tell)
} catch (error) {
  tell.check(`the demo ran to its end (${error instanceof Error ? error.message : String(error)})`, false)
} finally {
  for (const stop of stops.reverse()) await stop()
}
leftovers.afterStop(tell)
if (!withConsul) console.log('\nseveral registries, a migration, and a registry that fails: npm run demo -- --consul')
tell.end()
process.exit(tell.failed ? 1 : 0)

/** Resolves at Ctrl-C, or when the process is told to end; a second one ends everything at once. */
async function stayUp(on: string, withConsul: boolean): Promise<void> {
  console.log(`
The mesh stays up until Ctrl-C. In another terminal${inUserNamespace() ? '' : ', as root,'} try:

  on=${on}
  $on h1 web curl -sS http://api.default.mesh/
  $on h2 reports curl -sS http://api.default.mesh/
  $on out - curl -sS -m 5 http://10.77.0.13:8080/
  $on cp - weft status
  $on cp - weft explain --from web --to echo.default:9000
  $on h1 - iptables -t nat -S${withConsul ? registriesCommands : ''}
`)
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  // the world's own listeners end the process at once: they wait until this one has been asked to stop
  const others = signals.map(signal => [signal, process.listeners(signal)] as const)
  for (const signal of signals) process.removeAllListeners(signal)
  await new Promise<void>(resolve => {
    const keepAlive = setInterval(() => {}, 60_000)
    for (const signal of signals) {
      process.once(signal, () => {
        clearInterval(keepAlive)
        resolve()
      })
    }
  })
  for (const [signal, listeners] of others) for (const listener of listeners) process.on(signal, listener)
}
