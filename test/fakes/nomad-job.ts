import {
  type NomadAllocation,
  type NomadGroup,
  type NomadJob,
  type NomadService,
  type NomadTask,
  recordedText,
} from './nomad-model.ts'

/** A job file in short. */
export interface JobSpec {
  readonly id: string
  readonly namespace?: string
  readonly type?: 'service' | 'system' | 'batch'
  readonly meta?: Readonly<Record<string, string>>
  readonly groups: readonly GroupSpec[]
}

export interface GroupSpec {
  readonly name: string
  readonly count?: number
  readonly meta?: Readonly<Record<string, string>>
  /** `host` when left out. */
  readonly mode?: 'host' | 'bridge'
  readonly ports?: Readonly<Record<string, PortSpec>>
  readonly services?: readonly ServiceSpec[]
  /** One task `server` when left out. */
  readonly tasks?: readonly TaskSpec[]
  /** Names of the nodes it may run on; all when left out. */
  readonly on?: readonly string[]
  /** With a `disconnect` block, allocations of a lost node stay. */
  readonly disconnect?: boolean
  /** Canaries of the next version. */
  readonly canary?: number
}

export interface PortSpec {
  readonly static?: number
  readonly to?: number
  readonly hostNetwork?: string
}

export interface ServiceSpec {
  readonly name: string
  /** A label of the group, or a number. */
  readonly port?: string
  readonly tags?: readonly string[]
  readonly canaryTags?: readonly string[]
  readonly meta?: Readonly<Record<string, string>>
  readonly canaryMeta?: Readonly<Record<string, string>>
  readonly addressMode?: 'auto' | 'host' | 'alloc'
  readonly address?: string
  readonly provider?: 'nomad' | 'consul'
  readonly checks?: readonly CheckSpec[]
}

export interface CheckSpec {
  readonly name: string
  readonly type?: 'http' | 'tcp'
  /** `ignore` makes it a readiness check. */
  readonly onUpdate?: 'require_healthy' | 'ignore_warnings' | 'ignore'
}

export interface TaskSpec {
  readonly name: string
  readonly user?: string
  readonly driver?: string
  readonly meta?: Readonly<Record<string, string>>
  readonly lifecycle?: { readonly hook: 'prestart' | 'poststart'; readonly sidecar: boolean }
  readonly services?: readonly ServiceSpec[]
}

/** A job as recorded, with the values of the spec. */
export function jobOf(spec: JobSpec, version: number): NomadJob {
  const { Job: base }: NomadAllocation = JSON.parse(recordedText('allocation-web.json'))
  const [group] = base.TaskGroups
  if (group === undefined) throw new Error('the recorded job has no group')
  return {
    ...base,
    ID: spec.id,
    Name: spec.id,
    Namespace: spec.namespace ?? 'default',
    Type: spec.type ?? 'service',
    Meta: spec.meta ?? null,
    Version: version,
    Stop: false,
    TaskGroups: spec.groups.map(one => groupOf(one, group, spec.namespace ?? 'default')),
  }
}

function groupOf(spec: GroupSpec, base: NomadGroup, namespace: string): NomadGroup {
  const [task] = base.Tasks
  const [service] = base.Services ?? []
  if (task === undefined || service === undefined) throw new Error('the recorded group has no task or no service')
  const ports = Object.entries(spec.ports ?? {}).map(([label, port]) => ({
    HostNetwork: port.hostNetwork ?? 'default',
    Label: label,
    ...(port.static !== undefined && { Value: port.static }),
    ...(port.to !== undefined && { To: port.to }),
  }))
  const fixed = ports.filter(port => port.Value !== undefined)
  const dynamic = ports.filter(port => port.Value === undefined)
  return {
    ...base,
    Name: spec.name,
    Count: spec.count ?? 1,
    Constraints: null,
    Meta: spec.meta ?? null,
    Disconnect:
      spec.disconnect === true ? { LostAfter: 3_600_000_000_000, Replace: false, Reconcile: 'best_score' } : null,
    Networks: [
      {
        ...(dynamic.length > 0 && { DynamicPorts: dynamic }),
        ...(fixed.length > 0 && { ReservedPorts: fixed }),
        ...(spec.mode === 'bridge' && { Mode: 'bridge' }),
      },
    ],
    Services: servicesOf(spec.services ?? [], service, namespace, ''),
    Tasks: (spec.tasks ?? [{ name: 'server' }]).map(one => taskOf(one, task, service, namespace)),
  }
}

function taskOf(spec: TaskSpec, base: NomadTask, service: NomadService, namespace: string): NomadTask {
  const { lifecycle } = spec
  return {
    ...base,
    Name: spec.name,
    User: spec.user ?? '',
    Driver: spec.driver ?? 'raw_exec',
    Meta: spec.meta ?? null,
    Lifecycle: lifecycle === undefined ? null : { Hook: lifecycle.hook, Sidecar: lifecycle.sidecar },
    Services: servicesOf(spec.services ?? [], service, namespace, spec.name),
  }
}

function servicesOf(
  specs: readonly ServiceSpec[],
  base: NomadService,
  namespace: string,
  task: string,
): readonly NomadService[] | null {
  const [check] = base.Checks ?? []
  if (check === undefined) throw new Error('the recorded service has no check')
  const services = specs.map(spec => ({
    ...base,
    Name: spec.name,
    Namespace: namespace,
    TaskName: task,
    PortLabel: spec.port ?? '',
    AddressMode: spec.addressMode ?? 'auto',
    Address: spec.address ?? '',
    Provider: spec.provider ?? 'nomad',
    Tags: spec.tags ?? null,
    CanaryTags: spec.canaryTags ?? null,
    Meta: spec.meta ?? null,
    CanaryMeta: spec.canaryMeta ?? null,
    Checks:
      spec.checks === undefined
        ? null
        : spec.checks.map(({ name, type = 'http', onUpdate = 'require_healthy' }) => ({
            ...check,
            Name: name,
            Type: type,
            OnUpdate: onUpdate,
          })),
  }))
  return services.length === 0 ? null : services
}
