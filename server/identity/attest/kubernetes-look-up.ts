import type { Clock } from '../../../mesh/std/clock.ts'
import { isObject, items, objectOf, text } from '../../../registry-adapters/json.ts'
import { readJson } from '../../../registry-adapters/kubernetes/client/request.ts'
import { createSession } from '../../../registry-adapters/kubernetes/client/session.ts'
import { checkOptions, type KubernetesOptions } from '../../../registry-adapters/kubernetes/options.ts'
import type { KubernetesLookUp } from './kubernetes.ts'

/** Asks an API server for one pod by its name: `list` of pods is all it needs. Throws WEFT_CONFIG_INVALID. */
export function createKubernetesLookUp(
  options: Pick<KubernetesOptions, 'kubeconfig' | 'context'>,
  { clock }: { readonly clock: Clock },
): KubernetesLookUp & { close(): void } {
  const settings = checkOptions(options)
  const session = createSession(settings, clock)
  const deps = { session, pace: settings.pace, clock }
  return {
    async pod(namespace, name, signal) {
      const read = {
        kind: 'pods',
        name: `pod ${name} of namespace ${namespace}`,
        group: '',
        versions: ['v1'],
        namespace: encodeURIComponent(namespace),
        selectors: { fieldSelector: `metadata.name=${name}` },
        metadataOnly: false,
      } as const
      const body = await readJson({ read, verb: 'list', version: 'v1', parameters: {} }, deps, signal)
      const found = items(objectOf(body).items)
        .filter(isObject)
        .find(item => text(objectOf(item.metadata).name) === name)
      if (found === undefined) return undefined
      const spec = objectOf(found.spec)
      return {
        uid: text(objectOf(found.metadata).uid),
        node: text(spec.nodeName),
        phase: text(objectOf(found.status).phase),
        serviceAccount: text(spec.serviceAccountName),
      }
    },
    close: () => session.close(),
  }
}
