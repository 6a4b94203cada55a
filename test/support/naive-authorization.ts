import type { AuthorizationPolicySpec, AuthorizationRule, Policy } from '../../mesh/model/policy.ts'
import type { PolicyCall } from '../../mesh/policy/call.ts'

/**
 * What AuthorizationPolicies allow, written as the API describes it and as slowly as it reads: the other opinion that
 * mesh/policy is compared with. For requests only, without trust domain aliases, tokens, IPv6 and path templates.
 */
export function naivelyAllowed(policies: readonly Policy<AuthorizationPolicySpec>[], call: PolicyCall): boolean {
  const rulesOf = (action: string) =>
    policies.filter(policy => (policy.spec.action ?? 'ALLOW') === action).map(({ spec }) => spec.rules ?? [])
  const [deny, allow] = [rulesOf('DENY'), rulesOf('ALLOW')]
  const anyMatches = (rules: readonly (readonly AuthorizationRule[])[]) =>
    rules.flat().some(rule => naivelyMatches(rule, call))
  return !anyMatches(deny) && (allow.length === 0 || anyMatches(allow))
}

export function naivelyMatches({ from = [], to = [], when = [] }: AuthorizationRule, call: PolicyCall): boolean {
  const facts = factsOf(call)
  const holds = (fields: object, names: Readonly<Record<string, string>>) =>
    Object.entries(fields).every(([field, values]: [string, readonly string[]]) => {
      const isNot = field.startsWith('not')
      const name = isNot ? field.slice(3, 4).toLowerCase() + field.slice(4) : field
      return isNot !== meets(names[name] ?? '', values, facts)
    })
  return (
    (from.length === 0 || from.some(({ source }) => holds(source, sourceNames))) &&
    (to.length === 0 || to.some(({ operation }) => holds(operation, operationNames))) &&
    when.every(
      ({ key, values, notValues }) =>
        (values === undefined || meets(key, values, facts)) &&
        (notValues === undefined || !meets(key, notValues, facts)),
    )
  )
}

/**
 * The policies as a port of connections sees them: an ALLOW rule that names anything of requests is gone, a DENY rule has
 * lost what it names of them.
 */
export function naivelyOnTcp(
  policies: readonly Policy<AuthorizationPolicySpec>[],
): readonly Policy<AuthorizationPolicySpec>[] {
  return policies.map(policy => {
    const { action = 'ALLOW', rules = [] } = policy.spec
    const left = rules.filter(
      rule => action !== 'ALLOW' || !/"(?:not)?(?:hosts|methods|paths)"|"request\./i.test(JSON.stringify(rule)),
    )
    return { ...policy, spec: { ...policy.spec, rules: left.map(withoutRequests) } }
  })
}

function withoutRequests(rule: AuthorizationRule): AuthorizationRule {
  return {
    from: rule.from,
    to: rule.to?.map(({ operation: { ports, notPorts } }) => ({
      operation: { ...(ports === undefined ? {} : { ports }), ...(notPorts === undefined ? {} : { notPorts }) },
    })),
    when: rule.when?.filter(({ key }) => !key.startsWith('request.')),
  }
}

const sourceNames = {
  principals: 'source.principal',
  namespaces: 'source.namespace',
  serviceAccounts: 'source.serviceAccount',
  ipBlocks: 'source.ip',
  remoteIpBlocks: 'remote.ip',
}
const operationNames = { hosts: 'host', ports: 'destination.port', methods: 'method', paths: 'path' }

type Facts = Readonly<Record<string, readonly string[]>>

function factsOf({ peer, sourceIp, destinationIp, destinationPort, sni, request }: PolicyCall): Facts {
  const headers: Record<string, string[]> = {}
  const pairs = request?.headers ?? []
  for (let at = 0; at < pairs.length; at += 2) {
    const key = `request.headers[${(pairs[at] ?? '').toLowerCase()}]`
    headers[key] = [...(headers[key] ?? []), pairs[at + 1] ?? '']
  }
  return {
    ...headers,
    'source.principal':
      peer === undefined ? [] : [`${peer.trustDomain}/ns/${peer.namespace}/sa/${peer.serviceAccount}`],
    'source.namespace': peer === undefined ? [] : [peer.namespace],
    'source.serviceAccount': peer === undefined ? [] : [`${peer.namespace}/${peer.serviceAccount}`],
    'source.trustDomain': peer === undefined ? [] : [peer.trustDomain],
    'source.ip': [sourceIp],
    'remote.ip': [request?.remoteIp ?? sourceIp],
    'destination.ip': [destinationIp],
    'destination.port': [String(destinationPort)],
    'connection.sni': [sni],
    host: [(request?.authority ?? '').toLowerCase()],
    method: [request?.method ?? ''],
    path: [(request?.path ?? '').replace(/[?#].*/, '')],
  }
}

function meets(key: string, values: readonly string[], facts: Facts): boolean {
  const has = facts[key.toLowerCase().startsWith('request.headers') ? key.toLowerCase() : key] ?? []
  return values.some(value => has.some(text => meetsOne(key, value, text)))
}

function meetsOne(key: string, value: string, text: string): boolean {
  if (key.endsWith('.ip')) return inBlock(value, text)
  if (key === 'source.serviceAccount') return text === (value.includes('/') ? value : `bank/${value}`)
  const wanted = key === 'host' ? value.toLowerCase() : value
  if (wanted === '*') return text !== '' || key.startsWith('request.headers')
  const letters = (part: string) => part.replace(/[\\^$.*+?()[\]{}|/-]/g, '\\$&')
  const [front, middle, back] = [/^\*/.test(wanted), wanted.replace(/^\*/, ''), /.\*$/.test(wanted)]
  const open = !front && back
  const pattern = `${front ? '.*' : ''}${letters(open ? middle.slice(0, -1) : middle)}${open ? '.*' : ''}`
  return new RegExp(`^${pattern}$`, 's').test(text)
}

function inBlock(block: string, address: string): boolean {
  const [network = '', bits = '32'] = block.split('/')
  const binary = (ip: string) =>
    ip
      .split('.')
      .map(part => Number(part).toString(2).padStart(8, '0'))
      .join('')
  return binary(network).slice(0, Number(bits)) === binary(address).slice(0, Number(bits))
}
