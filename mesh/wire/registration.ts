import type { Registration } from './messages.ts'

/** Name of the registry that consists of what hosts register themselves; no configured registry may have it. */
export const hostsRegistry = 'hosts'

/** Id of the workload that a registration becomes: as of a WorkloadEntry of that name in the group's namespace. */
export function registeredWorkloadId({ group, name }: Pick<Registration, 'group' | 'name'>): string {
  return `${hostsRegistry}/${group.split('/', 1)[0]}/${name}`
}
