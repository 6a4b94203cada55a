import { join } from 'node:path'
import t from 'tap'
import { until } from '../support/eventually.ts'
import type { Host } from './host.ts'
import { createMesh } from './mesh.ts'

const program = (name: string) => join(import.meta.dirname, 'programs', name)
const web = { uid: 2002 }

t.test('SIGTERM lets open connections go on, takes nothing new, and ends at the latest at the deadline', async t => {
  const mesh = await createMesh(t, {
    hosts: ['h1', 'h2'],
    agent: { drainDeadlineMs: 8_000 },
    files: ({ h1, h2 }) => ({
      'mesh.yaml': `
services: [{ name: echo, ports: { tcp: 9000 } }]
workloads:
  - { name: web-1, node: h1, address: ${h1.address4}, serviceAccount: web, uid: ${web.uid} }
  - { name: echo-1, node: h2, address: ${h2.address4}, serviceAccount: echo, services: { echo: { tcp: 9000 } } }
`,
    }),
  })
  const { h1, h2 } = mesh.hosts
  const echo = new URL('../../scripts/demo/programs/echo.ts', import.meta.url).pathname
  await h2.spawn(process.execPath, [echo, h2.address4, '9000']).line('listening')

  const open = await hold(h1)
  open.write('before\n')
  await open.line('heard before')
  const agent = mesh.agents.h1.process
  const stopping = agent.kill('SIGTERM')
  await agent.line('the agent stops')
  await until('the agent says that it is not ready', async () => {
    const { stdout } = await h1.exec('curl', [
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://127.0.0.1:15021/healthz/ready',
    ])
    return stdout === '503'
  })
  t.equal((await h1.exec('bash', ['-c', 'exec 3<>/dev/tcp/240.240.0.1/9000'], web)).code, 1, 'nothing new is taken')
  open.write('while draining\n')
  t.equal(await open.line('heard while'), 'heard while draining', 'what is open goes on')

  await open.kill()
  await stopping
  t.equal(await agent.exited, 0, 'and with nothing open any more the agent ends')

  await mesh.agents.h1.start()
  await mesh.settled()
  const stuck = await hold(h1)
  stuck.write('again\n')
  await stuck.line('heard again')
  await mesh.agents.h1.kill('SIGTERM')
  await until('a connection that will not end is cut', () => stuck.lines(/^(ended|error)/).length > 0)
  t.pass('the deadline ends what does not end by itself')
})

/** Keeps a connection to the echo service open. */
async function hold(host: Host) {
  const running = host.spawn(process.execPath, [program('hold.ts'), '240.240.0.1', '9000'], web)
  await running.line('connected')
  return running
}
