import { readdirSync, readFileSync } from 'node:fs'
import type { RegistrySnapshot } from '../../mesh/model/catalogue.ts'
import type { Service } from '../../mesh/model/service.ts'
import type { Workload } from '../../mesh/model/workload.ts'
import type { NomadAnswer, NomadClient } from '../../registry-adapters/nomad/client/client.ts'
import { nomadError } from '../../registry-adapters/nomad/client/errors.ts'
import { type Cluster, createCluster } from '../../registry-adapters/nomad/cluster.ts'
import { createReadMemory, readEverything } from '../../registry-adapters/nomad/complete-read.ts'
import { checkAdapterOptions, type NomadAdapterOptions } from '../../registry-adapters/nomad/options.ts'
import { createReads } from '../../registry-adapters/nomad/reads.ts'
import { createView, type View } from '../../registry-adapters/nomad/view.ts'

const folder = new URL('../fixtures/nomad/', import.meta.url)

/** A recorded body, parsed: `drain/nodes-draining`. */
export function recorded(name: string): ReturnType<typeof JSON.parse> {
  return JSON.parse(readFileSync(new URL(`${name}.json`, folder), 'utf8'))
}

/** Answers of the recorded cluster by path, with these in place of some: a name of a recording, or a body. */
export type Replaced = Readonly<Record<string, unknown>>

/** The recorded cluster as a client. What was not recorded of it is composed of what was: a stub and its job. */
function recordedClient(replaced: Replaced): NomadClient {
  const answers = recordedAnswers()
  for (const [path, body] of Object.entries(replaced))
    answers.set(path, typeof body === 'string' ? recorded(body) : body)
  const get = async (path: string, namespace: string): Promise<NomadAnswer> => {
    const body = answers.get(`${path}?namespace=${namespace}`) ?? answers.get(path)
    if (body === undefined) throw nomadError('not-found', 'nomad does not have it', { path })
    return { body, index: 1, knownLeader: true, lastContactMs: 0, nextToken: undefined }
  }
  return {
    get: (path, { namespace = 'default' }) => get(path, namespace),
    async list(path, { namespace = 'default' }) {
      const answer = await get(path, namespace)
      return { ...answer, body: answer.body as readonly unknown[] }
    },
    events: () => {
      throw new Error('not used')
    },
    close() {},
  }
}

function recordedAnswers(): Map<string, unknown> {
  const answers = new Map<string, unknown>([
    ['/v1/services?namespace=*', recorded('services-all-namespaces')],
    ['/v1/allocations?namespace=*', recorded('allocations-all')],
    ['/v1/nodes', recorded('nodes')],
    ['/v1/service/exec-svc', recorded('allocation-exec-services')],
    ['/v1/service/disconnect', recorded('node-down/service-disconnect-node-back')],
    ['/v1/service/web?namespace=payments', recorded('service-web-namespace-payments')],
  ])
  const ofLedger = recorded('allocation-ledger-services')
  answers.set(
    '/v1/service/ledger?namespace=payments',
    ofLedger.filter((one: { readonly ServiceName: string }) => one.ServiceName === 'ledger'),
  )
  const files = readdirSync(folder).filter(file => file.endsWith('.json') && !file.endsWith('.headers.json'))
  for (const name of files.map(file => file.slice(0, -'.json'.length))) {
    const service = /^service-([a-z-]+)$/.exec(name)?.[1]
    if (service !== undefined && !answers.has(`/v1/service/${service}`))
      answers.set(`/v1/service/${service}`, recorded(name))
    if (/^node-client-[a-c]$/.test(name)) answers.set(`/v1/node/${recorded(name).ID}`, recorded(name))
    if (/^allocation-[a-z0-9-]+$/.test(name)) {
      const body = recorded(name)
      if (typeof body?.ID === 'string') answers.set(`/v1/allocation/${body.ID}`, body)
    }
  }
  answers.set(
    '/v1/allocation/a7aecc2f-4aac-893d-cc7e-59bf1a238467',
    recorded('node-down/allocation-disconnect-reconnected'),
  )
  const apiV2 = recorded('canary/job-api-v2')
  for (const stub of recorded('allocations-all')) {
    if (answers.has(`/v1/allocation/${stub.ID}`) || stub.ClientStatus !== 'running') continue
    const Job = stub.JobID === 'api-v2' ? { ...apiV2, Version: stub.JobVersion } : recorded(`job-${stub.JobID}`)
    answers.set(`/v1/allocation/${stub.ID}`, { ...stub, Job })
  }
  for (const name of ['web', 'api-v1', 'checks']) {
    answers.set(`/v1/allocation/${recorded(`allocation-${name}`).ID}/checks`, recorded(`allocation-${name}-checks`))
  }
  return answers
}

export interface RecordedWorld {
  readonly cluster: Cluster
  readonly view: View
  readonly snapshot: RegistrySnapshot
  /** The only workload of a service, or the one of an allocation whose id begins so. */
  workload(service: string, allocation?: string, namespace?: string): Workload
  service(name: string, namespace?: string): Service
  /** Reasons of all problems that name the service. */
  problems(service: string): readonly string[]
}

/** Reads the recorded cluster as the adapter does, and translates it. */
export async function recordedWorld(
  replaced: Replaced = {},
  options: Partial<NomadAdapterOptions> = {},
): Promise<RecordedWorld> {
  const settings = checkAdapterOptions({ client: { address: 'http://127.0.0.1:4646' }, ...options })
  const reads = createReads(recordedClient(replaced), settings)
  const cluster = createCluster()
  const { signal } = new AbortController()
  const { content } = await readEverything(cluster, createReadMemory(), { reads, settings }, signal)
  cluster.replace(content)
  for (const id of cluster.allocations.keys()) {
    const results = await reads.checks(id, signal).catch(() => undefined)
    if (results !== undefined) cluster.setChecks(id, results)
  }
  const { serviceAccounts, namespaces } = settings
  const view = createView({ registry: 'nomad', serviceAccounts, meshNamespaceOf: namespaces.meshNamespaceOf })
  const snapshot = view.update(cluster)
  if (snapshot === undefined) throw new Error('the first update is a snapshot')
  return {
    cluster,
    view,
    snapshot,
    workload(service, allocation = '', namespace = 'default') {
      const fits = (one: Workload) => one.name === service && one.namespace === namespace
      const [found, second] = [...snapshot.workloads.values()].filter(
        one => fits(one) && one.id.startsWith(`nomad/${allocation}`),
      )
      if (found === undefined || second !== undefined)
        throw new Error(`not exactly one workload ${service} ${allocation}`)
      return found
    },
    service(name, namespace = 'default') {
      const found = snapshot.services.get(`${namespace}/${name}`)
      if (found === undefined) throw new Error(`no service ${namespace}/${name}`)
      return found
    },
    problems: service =>
      snapshot.problems.filter(({ reason }) => reason.includes(`"${service}"`)).map(({ reason }) => reason),
  }
}
