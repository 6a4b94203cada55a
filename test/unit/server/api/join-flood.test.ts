import { Agent, request } from 'node:https'
import t, { type Test } from 'tap'
import { createCsr } from '../../../../mesh/identity/csr.ts'
import { generateKeys } from '../../../../mesh/identity/keys.ts'
import { type Attestor, refused } from '../../../../server/identity/attest/attestor.ts'
import { createApiWorld } from '../../../support/api-world.ts'
import { joinPolicy, nomadEvidence, plainAttestor } from '../../../support/evidence.ts'

const csr = createCsr(generateKeys()).toString('base64')
const bodyOf = (payload: string, node = 'vm-1') => JSON.stringify({ node, csr, evidence: { kind: 'nomad', payload } })

/** Joins from one address of this host, over connections that are kept. */
function callerFrom(t: Test, port: number, localAddress: string) {
  const agent = new Agent({ keepAlive: true, maxSockets: 20 })
  t.teardown(() => agent.destroy())
  return (body: string): Promise<number> =>
    new Promise((resolve, reject) => {
      const options = { host: '127.0.0.1', port, path: '/v1/join', method: 'POST', agent, localAddress }
      const sent = request({ ...options, rejectUnauthorized: false }, response => {
        response.resume().on('end', () => resolve(response.statusCode ?? 0))
      })
      sent.on('error', reject)
      sent.end(body)
    })
}

t.test('5,000 joins of one host leave another one its join', async t => {
  const { port, judging, policies } = await createApiWorld(t)
  let looked = 0
  const counting: Attestor = {
    attest(evidence, context) {
      looked += 1
      return plainAttestor.attest(evidence, context)
    },
  }
  judging.attestors.set('nomad', counting)
  policies.push(joinPolicy('vms'))
  const attacker = callerFrom(t, port, '127.0.0.1')
  const flood = Array.from({ length: 5000 }, () => attacker(bodyOf('{}')))
  t.equal(await callerFrom(t, port, '127.0.0.2')(bodyOf(nomadEvidence('vm-1').payload)), 200)
  const statuses = await Promise.all(flood)
  t.equal(statuses.filter(status => status === 429).length, 4999)
  t.equal(looked, 2, 'and nothing else was looked at')
})

t.test('few are looked at at once, and who would have to wait too long is told so', async t => {
  const { port, judging } = await createApiWorld(t)
  const gate = Promise.withResolvers<void>()
  let open = 0
  let most = 0
  judging.attestors.set('nomad', {
    async attest() {
      open += 1
      most = Math.max(most, open)
      await gate.promise
      open -= 1
      throw refused('of no use')
    },
  })
  const callers = Array.from({ length: 270 }, (_, at) => callerFrom(t, port, `127.1.${at >> 7}.${(at & 127) + 1}`))
  const answered: number[] = []
  const all = callers.map(async call => answered.push(await call(bodyOf('x'))))
  await Promise.race([Promise.all(all), untilLength(answered, 14)])
  t.same([...new Set(answered)], [429])
  gate.resolve()
  await Promise.all(all)
  t.equal(most, 8)
  t.equal(answered.filter(status => status === 403).length, 256)
})

async function untilLength(list: readonly unknown[], length: number): Promise<void> {
  while (list.length < length) await new Promise(resolve => setImmediate(resolve))
}
