import { labelsFrom } from '../labels.ts'
import type { ConsulInstance } from './answers.ts'

/** Labels of a workload: `app` is the service, unless the instance's meta says another. */
export function labelsOf(service: string, instance: ConsulInstance): Readonly<Record<string, string>> {
  return labelsFrom({ own: { app: service }, tagPrefix: 'consul.tag', tags: instance.tags, meta: instance.meta })
}
