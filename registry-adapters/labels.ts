import { isForWeft, labelKeyPrefix, settingsInTags, splitTag } from './instance-settings.ts'

/** What Kubernetes, and with it Istio's selectors, takes as the name and the value of a label. */
const labelName = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?$/
const labelValue = /^([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?$/

/** What labels are made of; later ones go before earlier ones with the same name. */
export interface LabelSources {
  /** What the adapter itself says. */
  readonly own: Readonly<Record<string, string>>
  /** Prefix of labels that come from tags: `consul.tag`. */
  readonly tagPrefix: string
  readonly tags: readonly string[]
  readonly meta: Readonly<Record<string, string>>
}

/**
 * Labels of a workload: the adapter's own; a tag `v2` becomes `<tagPrefix>/v2: "true"`, a tag `stage=blue`
 * `<tagPrefix>/stage: blue`; each entry of meta keeps its key; a tag `weft.label.x=y` is `x: y`. What no label can hold
 * (a Traefik rule, a sentence) is left out: no selector could name it. Settings for Weft are no labels.
 */
export function labelsFrom(sources: LabelSources): Readonly<Record<string, string>> {
  const { own, tagPrefix, tags, meta } = sources
  const fromTags = tags.flatMap((tag): (readonly [string, string])[] => {
    const [name, value] = tag.includes('=') ? splitTag(tag) : [tag, 'true']
    return isForWeft(tag) || !isLabel(name, value) ? [] : [[`${tagPrefix}/${name}`, value]]
  })
  const fromMeta = Object.entries(meta).filter(([name, value]) => !isForWeft(name) && isLabel(name, value))
  const said = settingsInTags(tags).flatMap(({ key, value }): (readonly [string, string])[] => {
    const name = key.startsWith(labelKeyPrefix) ? key.slice(labelKeyPrefix.length) : ''
    return isLabel(name, value) ? [[name, value]] : []
  })
  const ownLabels = Object.entries(own).filter(([name, value]) => isLabel(name, value))
  const labels = new Map([...ownLabels, ...fromTags, ...fromMeta, ...said])
  return Object.fromEntries([...labels].sort(([a], [b]) => (a < b ? -1 : 1)))
}

function isLabel(name: string, value: string): boolean {
  return labelName.test(name) && labelValue.test(value)
}
