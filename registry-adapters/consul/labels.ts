import type { ConsulInstance } from './answers.ts'
import { isForWeft, splitTag } from './settings-of-instance.ts'

/** What Kubernetes, and with it Istio's selectors, takes as the name and the value of a label. */
const labelName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/

/**
 * Labels of a workload: `app` is the service, each entry of the instance's meta keeps its key (and may say another
 * `app`), a tag `v2` becomes `consul.tag/v2: "true"` and a tag `stage=blue` becomes `consul.tag/stage: blue`. What no
 * label can hold (a Traefik rule, a sentence) is left out: no selector could name it. Settings for Weft are no labels.
 */
export function labelsOf(service: string, instance: ConsulInstance): Readonly<Record<string, string>> {
  const tags = instance.tags.flatMap((tag): (readonly [string, string])[] => {
    const [name, value] = tag.includes('=') ? splitTag(tag) : [tag, 'true']
    return isForWeft(tag) || !labelName.test(name) || !labelValue.test(value) ? [] : [[`consul.tag/${name}`, value]]
  })
  const meta = Object.entries(instance.meta).filter(
    ([name, value]) => !isForWeft(name) && labelName.test(name) && labelValue.test(value),
  )
  const labels: [string, string][] = [['app', service], ...tags, ...meta].map(([name, value]) => [
    name ?? '',
    value ?? '',
  ])
  return Object.fromEntries([...new Map(labels)].sort(([a], [b]) => (a < b ? -1 : 1)))
}
