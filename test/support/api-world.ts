import { mkdtempSync, rmSync } from 'node:fs'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { formatApiToken, newApiToken } from '../../mesh/identity/api-token.ts'
import { hashSecret } from '../../mesh/identity/join-token.ts'
import { derived } from '../../mesh/std/derived.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { createApiTokens } from '../../server/access/api-tokens.ts'
import { parseGrant } from '../../server/access/grants.ts'
import type { ApiCredentials } from '../../server/api/http-api.ts'
import { apiRoutes, startServerApi } from '../../server/api/server-api.ts'
import { openAuditLog } from '../../server/audit/audit-log.ts'
import { composeMergeRules } from '../../server/catalogue/merge-rules.ts'
import { identityOf } from '../../server/compile/services.ts'
import { createChallenges } from '../../server/identity/attest/challenges.ts'
import { openBans } from '../../server/identity/bans.ts'
import { createHostTrust } from '../../server/identity/host-trust.ts'
import { joinNode } from '../../server/identity/join.ts'
import { startRotator } from '../../server/identity/rotator.ts'
import { migrate } from '../../server/migrate.ts'
import { openNodes } from '../../server/nodes.ts'
import type { ServerParts } from '../../server/parts.ts'
import { mtlsVerdict } from '../../server/placement.ts'
import { openResources } from '../../server/resources.ts'
import type { AgentStatus, RegistryStatus } from '../../server/status.ts'
import { testAuthority } from './authority.ts'
import { catalogueOf, service, snapshotOf, workload } from './catalogue.ts'
import { createJoinWorld } from './join-world.ts'

export interface ApiAnswer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly json: Readonly<Record<string, unknown>>
}

export interface AskOptions {
  readonly body?: string | Buffer
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
}

/** The API as a server serves it, over real TLS, with a store in memory and a fixed catalogue. */
export async function createApiWorld(t: Test) {
  const world = await createJoinWorld(t)
  const { clock, log, store } = world
  const nodes = await openNodes(store.nodes)
  const api1 = workload({
    id: 'files/api-1',
    node: 'h2',
    serviceAccount: 'api',
    labels: { app: 'api', tier: 'back' },
  })
  const inConsul = workload({ id: 'consul/api-2', address: '10.0.0.2' })
  const apiOf = (id: string) => service('api', [id])
  const snapshot = catalogueOf([apiOf(api1.id)], [api1, inConsul])
  const views = [
    { name: 'resources', snapshot: { value: undefined } },
    { name: 'files', snapshot: { value: snapshotOf([apiOf(api1.id)], [api1]) } },
    { name: 'consul', snapshot: { value: snapshotOf([apiOf(inConsul.id)], [inConsul]) } },
  ]
  const merge = { rule: 'error', services: [], rootNamespace: 'weft-system' }
  const registryNames = views.map(view => view.name)
  const resources = await openResources(store.resources, {
    clock,
    log,
    rootNamespace: 'weft-system',
    registries: registryNames,
    workloads: () => snapshot.workloads.values(),
  })
  t.teardown(() => resources.stop())
  const rules = derived([resources.current], () => composeMergeRules(merge, resources.current.value, registryNames))
  t.teardown(() => rules.stop())
  const served = testAuthority(clock.now(), 'td')
  const issued = () => served.issue('spiffe://td/mesh/server/s1', { notBefore: 0, notAfter: clock.now() + 3_600_000 })
  const credentials = new Watch<ApiCredentials>(issued())
  const confirmed: string[] = []
  const rotator = startRotator({
    clock,
    log,
    authority: world.authority,
    hosts: createHostTrust(),
    nodes: () => nodes.all.value,
  })
  t.teardown(() => rotator.stop())
  const bans = await openBans({ clock, log, authority: world.authority, nodes })
  t.teardown(() => bans.stop())
  const auditFolder = mkdtempSync(join(tmpdir(), 'weft-audit-'))
  t.teardown(() => rmSync(auditFolder, { recursive: true, force: true }))
  const parts: ServerParts = {
    name: 's1',
    version: '1.2.3',
    trustDomain: 'td',
    dnsDomain: 'mesh',
    clock,
    log,
    credentials,
    flows: { all: () => [] },
    catalogue: new Watch(snapshot),
    rules: rules.watch,
    // as if the server had been started again without consul
    mergeScope: { registries: ['resources', 'files'], rootNamespace: 'weft-system' },
    views,
    resources,
    authority: world.authority,
    rotator,
    bans: {
      bans,
      valid: () => world.authority.issued.valid(clock.now()),
      log: query => world.authority.issued.read(query),
    },
    joinTokens: world.tokens,
    apiTokens: createApiTokens(store.apiTokens, world.authority, clock),
    audit: openAuditLog(auditFolder),
    nodes,
    challenges: createChallenges(),
    join: joinNode({ ...world.judging, nodes, authority: world.authority, clock, log }),
    registries: (): readonly RegistryStatus[] => [],
    tokenKeys: () => [],
    agents: (): readonly AgentStatus[] => [],
    confirmRemoval: registry => confirmed.push(registry) > 0,
    migrate: asked => migrate({ resources, merge, views, catalogue: () => snapshot, registries: () => [] }, asked),
    mtlsOf: (of, port) => mtlsVerdict(resources.current.value, { rootNamespace: 'weft-system', now: 0 })(of, port),
    identityOf: of => identityOf(of, 'td'),
  }
  const apiToken = newApiToken(world.authority.rootHash)
  const admin = { id: 'admin', name: 'admin', roles: ['admin'] }
  await store.apiTokens.create({ ...admin, hash: hashSecret(apiToken.secret), createdAt: clock.now() })
  const api = await startServerApi(parts, { host: '127.0.0.1', port: 0 })
  t.teardown(() => api.stop())
  const port = Number(api.addresses.api?.split(':').at(-1))
  const token = formatApiToken(apiToken)
  return {
    ...world,
    parts,
    routes: apiRoutes(parts),
    port,
    token,
    confirmed,
    auditFolder,
    /** A token with these roles, in the name of its holder. */
    async tokenOf(name: string, ...roles: readonly string[]): Promise<string> {
      return (await parts.apiTokens.create({ name, grants: roles.map(parseGrant) })).token
    },
    /** Presents a new key and certificate from now on; gives its chain. */
    renew(): string {
      credentials.set(issued())
      return credentials.value.chain
    },
    /** One request without a token. */
    ask: (method: string, path: string, options: AskOptions = {}) => ask(port, method, path, options),
    /** One request as an operator. */
    operator: (method: string, path: string, body?: string) =>
      ask(port, method, path, { token, ...(body !== undefined && { body }) }),
  }
}

function ask(port: number, method: string, path: string, options: AskOptions): Promise<ApiAnswer> {
  const { body, token, headers } = options
  return new Promise((resolve, reject) => {
    const sent = request(
      {
        host: '127.0.0.1',
        port,
        method,
        path,
        agent: false,
        rejectUnauthorized: false,
        headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...headers },
      },
      response => {
        let text = ''
        response.setEncoding('utf8').on('data', chunk => {
          text += chunk
        })
        response.on('error', reject)
        response.on('end', () =>
          resolve({ status: response.statusCode ?? 0, headers: response.headers, json: JSON.parse(text) }),
        )
      },
    )
    sent.on('error', reject)
    sent.end(body)
  })
}
