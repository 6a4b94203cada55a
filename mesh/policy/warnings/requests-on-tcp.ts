import type { AuthorizationOperation, AuthorizationPolicySpec, AuthorizationRule } from '../../model/policy.ts'
import type { PolicyPort, PolicyWarning } from '../policy-warnings.ts'
import { isOfRequests, type RuleField } from './rule-fields.ts'

type Action = NonNullable<AuthorizationPolicySpec['action']>

/**
 * Fields of requests where connections are judged: a rule that allows does nothing there, others do more than they say.
 * Where the ports are not known, a DENY rule that names none is warned of, as Istio does.
 */
export function requestsOnTcp(
  action: Action,
  rule: AuthorizationRule,
  fields: readonly RuleField[],
  ports: readonly PolicyPort[] | undefined,
): readonly PolicyWarning[] {
  const ofRequests = fields.filter(isOfRequests)
  return ofRequests.flatMap(({ path, group }) => {
    const operation =
      action === 'ALLOW' ? undefined : (rule.to ?? []).find((_, at) => isOperation(group, at))?.operation
    const reached = (ports ?? [])
      .filter(({ port, protocol }) => protocol === 'tcp' && isReached(port, rule, operation))
      .map(({ port }) => port)
    const message = ports === undefined ? unknownPorts(action, rule) : knownPorts(action, reached)
    return message === undefined ? [] : [{ path, message }]
  })
}

function isOperation(group: RuleField['group'], at: number): boolean {
  return group.at(-1) === 'operation' && group.at(-2) === at
}

function knownPorts(action: Action, ports: readonly number[]): string | undefined {
  if (ports.length === 0) return undefined
  const unique = [...new Set(ports)].toSorted((one, other) => one - other)
  const where = `on ${unique.length === 1 ? 'port' : 'ports'} ${unique.join(', ')} connections are judged, not requests`
  if (action === 'ALLOW') return `is of requests, and ${where}: there the rule allows nothing`
  const does = action === 'DENY' ? 'denies' : 'reports'
  return `is of requests, and ${where}: there the rule ${does} whatever else it says, without this`
}

function unknownPorts(action: Action, rule: AuthorizationRule): string | undefined {
  const namesPorts = (rule.to ?? []).some(({ operation }) => (operation.ports ?? []).length > 0)
  if (action !== 'DENY' || namesPorts) return undefined
  return 'is of requests, and on ports where connections are judged the rule denies without it; name the ports'
}

/** Whether a rule, or one operation of it, can be about a port. */
function isReached(port: number, rule: AuthorizationRule, only: AuthorizationOperation | undefined): boolean {
  const operations = only === undefined ? (rule.to ?? []).map(({ operation }) => operation) : [only]
  const conditions = (rule.when ?? []).filter(({ key }) => key === 'destination.port')
  const isOf = (values: readonly string[] | undefined) => values === undefined || values.includes(String(port))
  const isNotOf = (values: readonly string[] | undefined) => !(values ?? []).includes(String(port))
  return (
    (operations.length === 0 || operations.some(({ ports, notPorts }) => isOf(ports) && isNotOf(notPorts))) &&
    conditions.every(({ values, notValues }) => isOf(values) && isNotOf(notValues))
  )
}
