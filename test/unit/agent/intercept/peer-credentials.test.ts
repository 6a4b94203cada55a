import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { ownCgroupPath } from '../../../../agent/intercept/cgroups.ts'
import { peerProcess } from '../../../../agent/intercept/peer-credentials.ts'

// Processes of other users: test/integration/workload-api.test.ts.

t.test('the other end of a unix socket is this process when it connects to itself', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'weft-peer-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const server = createServer()
  t.teardown(() => server.close())
  await new Promise<void>(resolve => server.listen(join(folder, 'socket'), resolve))
  const peer = new Promise<Socket>(resolve => server.once('connection', resolve))
  const client = connect(join(folder, 'socket'))
  t.teardown(() => client.destroy())
  const socket = await peer
  t.teardown(() => socket.destroy())
  const { fd } = (socket as unknown as { _handle: { fd: number } })._handle
  t.same(peerProcess(fd), { uid: process.geteuid?.(), cgroup: ownCgroupPath() ?? '' })
})

t.test('a descriptor that is closed or no socket belongs to nobody', async t => {
  for (const fd of [-1, 0, 1_000_000]) t.equal(peerProcess(fd), undefined)
})
