import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { until } from '../../test/support/eventually.ts'
import { commandsOf } from './commands.ts'
import { cgroups } from './services.ts'
import type { DemoHost, DemoMesh } from './stage.ts'
import type { Teller } from './teller.ts'

const strict = `apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: { name: strict, namespace: default }
spec: { mtls: { mode: STRICT } }
`
const identity = (name: string) => `spiffe://mesh.local/ns/default/sa/${name}`

/** The demo's steps, in order; each runs real commands and checks what really came back. */
export async function tellStory(mesh: DemoMesh, tell: Teller): Promise<void> {
  const { run, curl, weft } = commandsOf(mesh, tell)

  tell.step('A server, three hosts with one agent each, and what they know')
  const { cp, h1, h2, h3, out } = mesh.hosts
  tell.note(`cp   ${cp.address4}  the server`)
  tell.note(`h1   ${h1.address4}  an agent, and web, which calls others`)
  tell.note(`h2   ${h2.address4}  an agent, and two services: api and reports`)
  tell.note(`h3   ${h3.address4}  an agent, and two services: api and echo, which speaks no HTTP`)
  tell.note(`out  ${out.address4}  a stranger: no agent, no identity`)
  await weft('status')
  tell.note('resources is what operators write with weft apply, hosts what hosts say of themselves; none did yet')
  const services = await weft('services')
  tell.check('the services are known, each with a virtual IP', /api .*240\.240\.0\.\d+/.test(services))

  tell.step('An unmodified curl on h1 reaches a service on another host by its mesh name')
  const answer = await curl('h1', 'web', 'http://api.default.mesh/hello')
  tell.check('api answered across hosts', /hello from api on h[23]/.test(answer.stdout))
  const v4 = await curl('h1', 'web', 'http://api.default.mesh/ipv4', '-4')
  tell.check('over IPv4 as over IPv6', v4.stdout.includes('hello from api'))

  tell.step('Both sides know who the other is')
  tell.note('access logs have a line for each request, and of ports that carry no HTTP for each connection;')
  tell.note('of each line the fields that matter here')
  const seen = await seenBy(mesh, /^h[23]$/.exec(hostOf(answer.stdout))?.[0] as DemoHost, identity('web'))
  tell.command(hostOf(answer.stdout), 'tail -n 1 access.log', shortened(seen.line))
  tell.check(`the far agent saw ${identity('web')}`, seen.source === identity('web'))
  tell.check(`and served ${identity('api')}`, seen.destination === identity('api'))

  tell.step('One host, two services, two identities')
  const phrase = 'bytes-that-are-not-http'
  const viaEcho = (who: 'api' | 'reports') =>
    run('h2', who, 'bash', '-c', `exec 3<>/dev/tcp/echo.default.mesh/9000; echo ${phrase} >&3; head -n 1 <&3`)
  const fromApi = await viaEcho('api')
  const fromReports = await viaEcho('reports')
  tell.check(
    'a raw TCP service answers both',
    [fromApi, fromReports].every(one => one.stdout.includes(phrase)),
  )
  const sources = await Promise.all(['api', 'reports'].map(name => seenBy(mesh, 'h3', identity(name))))
  for (const one of sources)
    tell.command('h3', `grep sa/${one.source?.split('/').at(-1)} access.log`, shortened(one.line))
  tell.check(
    'its agent saw api and reports, both from h2',
    sources.every(one => one.line.includes('echo.default.mesh')),
  )

  tell.step('The wire carries no plaintext')
  const marker = `secret-${Math.random().toString(36).slice(2, 14)}`
  const onTheWire = await mesh.marker(marker)
  await curl('h1', 'web', `http://api.default.mesh/${marker}`)
  const meshed = await onTheWire.count()
  tell.check(`through the mesh the marker was seen in ${meshed} packets between hosts`, meshed === 0)
  await curl('out', 'root', `http://${mesh.hosts.h2.address4}:8080/${marker}`)
  const plain = await onTheWire.count()
  tell.check(`the same request without the mesh: ${plain} packets`, plain > 0)

  tell.step('Under STRICT a plaintext caller from outside is refused, and told apart in the log')
  const file = join(mesh.directory, 'strict.yaml')
  writeFileSync(file, strict)
  tell.command('cp', 'cat strict.yaml', strict)
  const { stdout: applied } = await mesh.tryWeft('apply', '--yes', '-f', file)
  tell.command('cp', 'weft apply --yes -f strict.yaml', applied)
  await mesh.settled()
  const refused = await curl('out', 'root', `http://${mesh.hosts.h2.address4}:8080/`)
  tell.check('the stranger is refused', refused.code !== 0 && refused.stdout === '')
  const why = await logLine(mesh, 'h2', line => line.reason === 'MTLS_REQUIRED')
  tell.command('h2', 'tail -n 1 access.log', shortened(why))
  tell.check('the log names the policy', why.includes('default/strict'))
  const explained = await weft('explain', '--from', 'outside', '--to', 'api.default:80')
  tell.check('weft explain says the same', explained.includes('MTLS_REQUIRED'))
  const still = await curl('h1', 'web', 'http://api.default.mesh/strict')
  tell.check('meshed callers are served as before', still.stdout.includes('hello from api'))

  tell.step('The server dies, an agent dies and comes back: traffic flows')
  await mesh.server.kill('SIGKILL')
  tell.note('kill -9 of the server')
  const without = await curl('h1', 'web', 'http://api.default.mesh/no-server')
  tell.check('without a server connections work', without.stdout.includes('hello from api'))
  await mesh.agents.h1.kill('SIGKILL')
  tell.note('kill -9 of the agent on h1')
  const dead = await run('h1', 'web', 'curl', '-sS', '-m', '2', 'http://240.240.0.1/')
  tell.check('while it is dead mesh addresses are refused, not passed in plaintext', dead.code !== 0)
  await mesh.agents.h1.start()
  tell.note('the agent starts again, with the server still dead')
  await until('the agent serves from its own disk', async () => {
    const args = ['-sS', '-m', '2', 'http://api.default.mesh/']
    const { code } = await mesh.hosts.h1.exec('curl', args, { cgroup: cgroups.web })
    return code === 0
  })
  const again = await curl('h1', 'web', 'http://api.default.mesh/from-disk')
  tell.check('it serves from its own disk', again.stdout.includes('hello from api'))
  await mesh.server.start()
  await mesh.settled()
  const back = await weft('status')
  tell.check(
    'the server is back and every agent with it',
    ['h1', 'h2', 'h3'].every(name => new RegExp(`${name} +connected`).test(back)),
  )
}

/** The newest access-log line of a host for a source identity. */
async function seenBy(mesh: DemoMesh, host: DemoHost, source: string) {
  const line = await logLine(mesh, host, one => {
    return one.weft_source === source || (one['src.identity'] === source && one.verdict === 'allowed')
  })
  const { weft_source: ofRequest, weft_destination: to, ...one } = JSON.parse(line) as Record<string, string>
  return { line, source: ofRequest ?? one['src.identity'], destination: to ?? one['dst.identity'] }
}

/** The newest line that matches; lines are written at most a second late. */
async function logLine(
  mesh: DemoMesh,
  host: DemoHost,
  match: (line: Readonly<Record<string, unknown>>) => boolean,
): Promise<string> {
  let found: Readonly<Record<string, unknown>> | undefined
  await until(`a line in the access log of ${host}`, () => {
    found = mesh.accessLog(host).filter(match).at(-1)
    return found !== undefined
  })
  return JSON.stringify(found)
}

/** The fields of an access-log line that matter here, one a line; the whole line has twice as many. */
function shortened(line: string): string {
  const fields = JSON.parse(line) as Readonly<Record<string, unknown>>
  const shown = [...ofRequests, ...ofConnections].filter(name => fields[name] !== undefined)
  const width = Math.max(...shown.map(name => name.length))
  return shown.map(name => `${name.padEnd(width)} ${fields[name] === '' ? '(none)' : fields[name]}`).join('\n')
}

const ofRequests = ['method', 'authority', 'path', 'response_code', 'weft_reason', 'weft_source', 'weft_destination']
const ofConnections = ['verdict', 'reason', 'detail', 'src.addr', 'src.identity', 'dst.service', 'dst.identity']

function hostOf(answer: string): string {
  return /on (h\d)/.exec(answer)?.[1] ?? 'h2'
}
