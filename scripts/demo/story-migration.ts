import { until } from '../../test/support/eventually.ts'
import type { Calls } from './calls.ts'
import type { Commands } from './commands.ts'
import type { DemoConsul } from './consul.ts'
import { paymentsFile, paymentsInConsul } from './payments.ts'
import type { DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

/** How many percent move at each step, and how many Consul's instances have after it. */
const steps = [
  { share: 25, step: 25 },
  { share: 50, step: 25 },
  { share: 100, step: 50 },
] as const
/** How many connections are counted at each step, and how far off chance may be: with so many, 2 percent mostly. */
const counted = 400
const tolerancePercent = 12

/** A service becomes known to two registries. */
export async function tellKnownTwice(scene: {
  readonly mesh: DemoMesh
  readonly consul: DemoConsul
  readonly commands: Commands
  readonly tell: Teller
}): Promise<void> {
  const { mesh, consul, commands, tell } = scene
  tell.step('Two registries know the same service: a file and Consul')
  const file = paymentsFile(mesh.hosts)
  mesh.writeFile('payments.yaml', file)
  tell.note('two instances of payments on h2 are written in a file')
  tell.command('cp', 'cat payments.yaml', file)
  await consul.register(mesh.hosts, paymentsInConsul)
  tell.note('two more on h3 are registered in Consul, as api, reports and echo are')
  await until('both registries know payments', async () => {
    const { stdout } = await mesh.tryWeft('services', 'payments')
    return /^files .* 2 of 2$/m.test(stdout) && /^consul .* 2 of 2$/m.test(stdout)
  })
  await mesh.settled()
  const services = await commands.weft('services')
  const areWhereTheyShould =
    /^default +api .* consul$/m.test(services) && /^default +payments .* files consul$/m.test(services)
  tell.check('the services are Consul’s, and payments is in both', areWhereTheyShould)
  const payments = await commands.weft('services', 'payments')
  const rows = [
    /^files +default\/payments-1 /m,
    /^files +default\/payments-2 /m,
    /^consul +h3\/payments-3 /m,
    /^consul +h3\/payments-4 /m,
  ]
  tell.check(
    'each instance is shown with the registry that told of it',
    rows.every(row => row.test(payments)),
  )
  const firstHasAll = /^files +100 %/m.test(payments) && /^consul +0 %/m.test(payments)
  tell.check('no rule says how to share yet: the registry that is configured first has all of it', firstHasAll)
}

/** Its traffic moves from one to the other. */
export async function tellMigration(scene: {
  readonly mesh: DemoMesh
  readonly commands: Commands
  readonly calls: Calls
  readonly tell: Teller
}): Promise<void> {
  const { mesh, commands, calls, tell } = scene
  const versionOfH1 = async () => (await mesh.status()).agents.find(({ node }) => node === 'h1')?.configVersion ?? 0
  tell.step('Step by step its traffic moves from the file’s instances to Consul’s')
  tell.note(`each time ${counted} connections are counted, by who answers: -0 is HTTP/1.0, one connection a call`)
  await checkShare(commands, tell, 0)
  for (const { share, step } of steps) {
    const before = await versionOfH1()
    await commands.weft('migrate', 'payments', '--from', 'files', '--to', 'consul', '--step', String(step))
    await until('the agents get the new shares', async () => (await versionOfH1()) > before)
    await mesh.settled()
    await checkShare(commands, tell, share)
    await calls.check(tell)
  }
  tell.note('the way back is as short: the same command with --abort instead of --step')
}

/** Counts who answers, as one would by hand; all or nothing has to be exact, what is between is up to chance. */
async function checkShare(commands: Commands, tell: Teller, asked: number): Promise<void> {
  const url = `http://payments.default.mesh/[1-${counted}]`
  const { stdout } = await commands.shell('h1', 'web', `curl -sS0 -m 5 '${url}' | cut -d, -f1 | sort | uniq -c`)
  const answersOf = (host: string) => Number(new RegExp(`(\\d+) hello from payments on ${host}`).exec(stdout)?.[1] ?? 0)
  const [h2, h3] = [answersOf('h2'), answersOf('h3')]
  const percent = (h3 * 100) / counted
  const isExact = asked === 0 || asked === 100
  const near = isExact ? percent === asked : Math.abs(percent - asked) <= tolerancePercent
  const share = `Consul’s instances on h3 have got ${Math.round(percent)} % of ${counted} connections`
  tell.check(isExact ? share : `${share}, asked for were ${asked} %`, h2 + h3 === counted && near)
}
