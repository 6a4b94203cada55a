import t, { type Test } from 'tap'
import { systemClock } from '../../../../../mesh/std/clock.ts'
import { createNomadClient } from '../../../../../registry-adapters/nomad/client/client.ts'
import { failureOf, type NomadFailure } from '../../../../../registry-adapters/nomad/client/errors.ts'
import { recordedText } from '../../../../fakes/nomad-model.ts'
import { type Recording, recording, recordingNames, startRawServer, wireOf } from '../../../../fakes/nomad-recorded.ts'

const folders = [
  '',
  'acl/',
  'canary/',
  'drain/',
  'errors/',
  'health/',
  'identity/',
  'node-down/',
  'restore/',
  'task-api/',
]
const all = folders.flatMap(recordingNames).map(recording)
const { signal } = new AbortController()

t.test('every recorded good answer is read: body, index, leader, next page', async t => {
  const good = all.filter(one => one.status === 200)
  t.ok(good.length > 100)
  const { client, asked, serve } = await start(t)
  for (const one of good) {
    serve(one)
    const [path = '', query = ''] = one.path.split('?')
    const answer = await client.get(path, { params: Object.fromEntries(new URLSearchParams(query)) }, signal)
    const header = (name: string) => one.headers.find(([each]) => each.toLowerCase() === name)?.[1]
    t.same(answer.body, JSON.parse(one.body), one.name)
    t.same(
      { ...answer, body: undefined },
      {
        body: undefined,
        index: Number(header('x-nomad-index') ?? 0),
        knownLeader: (header('x-nomad-knownleader') ?? 'true') === 'true',
        lastContactMs: Number(header('x-nomad-lastcontact') ?? 0),
        nextToken: header('x-nomad-nexttoken'),
      },
      one.name,
    )
    const [askedPath, askedQuery = ''] = (asked.at(-1) ?? '').split('?')
    t.equal(askedPath, path)
    t.same([...new URLSearchParams(askedQuery)].sort(), [...new URLSearchParams(query)].sort(), one.name)
  }
})

/** What each recorded error is; the first rule whose pattern fits the name decides. */
const kinds: readonly (readonly [RegExp, NomadFailure])[] = [
  [/^acl\/token-self-workload-default$/, 'not-found'],
  [/^(acl|task-api)\//, 'denied'],
  [/^errors\/error-404-path$/, 'not-found'],
  [/^errors\/error-/, 'server'],
  [/^errors\//, 'no-leader'],
  [/-bad$|bad-id$/, 'server'],
  [/unknown|wrong-namespace|lost-checks/, 'not-found'],
]

t.test('every recorded error has a kind, and its own words', async t => {
  const bad = all.filter(one => one.status !== 200)
  t.ok(bad.length > 35)
  const { client, serve } = await start(t)
  for (const one of bad) {
    serve(one)
    const [path = ''] = one.path.split('?')
    const error = await client.get(path === '/v1/service/' ? '/v1/service/x' : path, {}, signal).catch(each => each)
    t.equal(failureOf(error), kinds.find(([name]) => name.test(one.name))?.[1], one.name)
    t.match(
      error,
      { code: 'WEFT_REGISTRY_UNAVAILABLE', fields: { status: one.status, said: one.body.trim() } },
      one.name,
    )
  }
})

t.test('a server that is full is told from one that refuses: raw 429 before any request is read', async t => {
  const raw = recordedText('errors/too-many-connections-429.raw.txt')
  const server = await startRawServer((_, socket) => socket.end(raw))
  const client = createNomadClient({ address: server.address }, { clock: systemClock })
  t.teardown(() => server.stop())
  t.teardown(() => client.close())
  const error = await client.get('/v1/services', {}, signal).catch(each => each)
  t.equal(failureOf(error), 'rate-limited')
  t.match(error.fields.said, /^Your IP is issuing too many concurrent connections/)
})

async function start(t: Test) {
  let current: Recording | undefined
  const asked: string[] = []
  const server = await startRawServer((target, socket) => {
    asked.push(target)
    if (current !== undefined) socket.write(wireOf(current))
  })
  const client = createNomadClient({ address: server.address }, { clock: systemClock })
  t.teardown(async () => {
    client.close()
    await server.stop()
  })
  const serve = (one: Recording) => {
    current = one
  }
  return { client, asked, serve }
}
