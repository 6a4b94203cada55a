import { maxFlows } from '../flows/flow.ts'
import { checkKeyHash, checkPort, cleanSentence, type Fields, malformed } from './fields.ts'
import { plainFlow, readFlow } from './flow-codec.ts'
import {
  type CertificateOfHost,
  type HostReport,
  maxRegistrations,
  maxReportedCertificates,
  maxReportedHealth,
  type Registration,
  type WorkloadHealth,
} from './messages.ts'

const maxPorts = 256
const dnsLabel = /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/

/** A report as protobuf's plain object; what people wrote is made fit to be sent. */
export function plainReport({ health, registrations, certificates = [], flows = [] }: HostReport): object {
  return {
    health: health.map(one => ({ ...one, reason: cleanSentence(one.reason) })),
    registrations: registrations.map(one => ({ ...one, maintenance: cleanSentence(one.maintenance) })),
    certificates,
    flows: flows.map(plainFlow),
  }
}

/** Reads and checks a report; no workload and no registration is in it twice. Throws WEFT_WIRE. */
export function readReport(fields: Fields): HostReport {
  const health = fields.messages('health', maxReportedHealth, readHealth)
  const registrations = fields.messages('registrations', maxRegistrations, readRegistration)
  once(
    health.map(({ workload }) => workload),
    `${fields.path}.health`,
  )
  once(
    registrations.map(({ name }) => name),
    `${fields.path}.registrations`,
  )
  const certificates = fields.messages('certificates', maxReportedCertificates, readCertificate)
  once(
    certificates.map(({ identity }) => identity),
    `${fields.path}.certificates`,
  )
  const flows = fields.messages('flows', maxFlows, readFlow)
  return {
    kind: 'report',
    health,
    registrations,
    ...(certificates.length > 0 && { certificates }),
    ...(flows.length > 0 && { flows }),
  }
}

function readHealth(fields: Fields): WorkloadHealth {
  return { workload: fields.name('workload'), healthy: fields.flag('healthy'), reason: fields.sentence('reason') }
}

function readCertificate(fields: Fields): CertificateOfHost {
  return { identity: fields.name('identity'), root: checkKeyHash(fields.text('root'), `${fields.path}.root`) }
}

function readRegistration(fields: Fields): Registration {
  const name = fields.name('name')
  if (!dnsLabel.test(name)) throw malformed(`${fields.path}.name`, 'is not a DNS label')
  const group = fields.name('group')
  const parts = group.split('/')
  if (parts.length !== 2 || parts.includes('')) throw malformed(`${fields.path}.group`, 'is not <namespace>/<name>')
  return {
    group,
    name,
    address: fields.address('address'),
    ports: fields.map('ports', maxPorts, checkPort),
    maintenance: fields.sentence('maintenance'),
  }
}

function once(names: readonly string[], path: string): void {
  if (new Set(names).size < names.length) throw malformed(path, 'has the same name twice')
}
