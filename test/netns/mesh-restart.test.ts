import t from 'tap'
import { createMesh } from './mesh.ts'

const identity = 'spiffe://mesh.local/ns/default/sa/web'

t.test('the first connection of a service that was restarted a moment ago has its identity', async t => {
  const cgroup = 'system.slice/web.service'
  const mesh = await createMesh(t, {
    hosts: ['h1', 'h2'],
    files: ({ h1, h2 }) => ({
      'mesh.yaml': `
services: [{ name: api, ports: { tcp: 80 } }]
workloads:
  - { name: web-1, node: h1, address: ${h1.address4}, serviceAccount: web, cgroup: ${h1.cgroupPath(cgroup)} }
  - { name: api-1, node: h2, address: ${h2.address4}, serviceAccount: api, services: { api: { tcp: 8080 } } }
`,
    }),
  })
  const { h1, h2 } = mesh.hosts
  const answer = new URL('./programs/answer.ts', import.meta.url).pathname
  await h2.spawn(process.execPath, [answer, '8080', 'hello']).line('listening')
  const dial = ['-c', 'exec 3<>/dev/tcp/240.240.0.1/80 && cat <&3']
  for (let restart = 1; restart <= 10; restart += 1) {
    const { stdout, stderr } = await h1.exec('bash', dial, { cgroup })
    t.equal(stdout, 'hello', `start ${restart} ${stderr}`)
    await h1.removeCgroup(cgroup)
  }
  const { stdout } = await h1.exec('bash', dial)
  t.equal(stdout, '', 'a process of no workload is refused')
  await mesh.agents.h2.kill('SIGTERM')
  const sources = new Set(mesh.accessLog('h2').map(line => line['src.identity']))
  t.strictSame([...sources], [identity])
})
