import { type JsonObject, objectOf, text } from '../../../registry-adapters/json.ts'
import { type Attestor, checkEvidence, refused } from './attestor.ts'
import { type TokenRules, verifyJwt } from './jwt.ts'

/** A pod as the API server knows it now. */
export interface RunningPod {
  readonly uid: string
  readonly node: string
  readonly phase: string
  readonly serviceAccount: string
}

/** What is asked of the cluster, at the moment of joining. */
export interface KubernetesLookUp {
  /** Undefined when there is none of that name. */
  pod(namespace: string, name: string, signal: AbortSignal): Promise<RunningPod | undefined>
}

/**
 * Projected service-account tokens of Kubernetes: verified by the cluster's keys, and then the pod that the token is bound
 * to is asked for: it must be the same one, by its uid, and run. Its node is the host. A token of a Secret, which is bound
 * to no pod and lives for ever, is refused.
 */
export function createKubernetesAttestor(lookUp: KubernetesLookUp, rules: TokenRules): Attestor {
  return {
    async attest(evidence, { now, signal }) {
      checkEvidence(evidence, signal)
      const { claims, proof } = await verifyJwt(evidence.payload, rules, now)
      signal.throwIfAborted()
      const bound = objectOf(claims['kubernetes.io'])
      const namespace = text(bound.namespace)
      const [podName, podUid] = nameAndUid(bound.pod)
      const [account] = nameAndUid(bound.serviceaccount)
      if (namespace === '' || podName === '' || podUid === '' || account === '') {
        throw refused('token is not bound to a pod')
      }
      if (claims.sub !== `system:serviceaccount:${namespace}:${account}`) {
        throw refused('token contradicts itself', { sub: claims.sub, namespace, serviceAccount: account })
      }
      const pod = await lookUp.pod(namespace, podName, signal)
      if (pod === undefined) throw refused('pod of the token is gone', { namespace, pod: podName })
      if (pod.uid !== podUid) throw refused('pod of the token was replaced by another of its name', { pod: podName })
      if (pod.phase !== 'Running' || pod.node === '') throw refused('pod does not run', { pod: podName, ...pod })
      if (pod.serviceAccount !== account) throw refused('pod has another service account', { pod: podName, ...pod })
      const [claimedNode, nodeUid] = nameAndUid(bound.node)
      if (claimedNode !== '' && claimedNode !== pod.node) throw refused('token is of another node', { ...pod })
      return {
        kind: 'kubernetes',
        grade: 4,
        node: pod.node,
        // clusters before 1.30 do not say it: then a new pod of the same node needs the key of the old one
        instance: nodeUid === '' ? podUid : nodeUid,
        claims: { namespace, serviceAccount: account, pod: podName, podUid, nodeUid },
        proof,
      }
    },
  }
}

function nameAndUid(value: unknown): readonly [string, string] {
  const { name, uid }: JsonObject = objectOf(value)
  return [text(name), text(uid)]
}
