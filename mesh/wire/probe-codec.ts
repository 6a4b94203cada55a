import { type Probe, type ProbeCheck, probeLimits, probeTexts } from '../model/probe.ts'
import { assertNever } from '../std/assert-never.ts'
import { type Fields, malformed, maxNameLength, maxTextLength } from './fields.ts'
import { httpSchemeNames, wordsByName } from './resource-enums.ts'

const maxHeaders = 256
const maxArguments = 256
const schemes = wordsByName(httpSchemeNames)

/** A probe as protobuf's plain object. */
export function plainProbe({ check, ...times }: Probe): object {
  return { ...times, ...plainCheck(check) }
}

/** Reads and checks a probe: a check that this build does not know is an error. Throws WEFT_WIRE. */
export function readProbe(fields: Fields): Probe {
  return {
    check: readCheck(fields),
    initialDelayMs: within(fields, 'initialDelayMs', 0),
    timeoutMs: within(fields, 'timeoutMs', 1),
    periodMs: within(fields, 'periodMs', probeLimits.minPeriodMs),
    successThreshold: within(fields, 'successThreshold', 1),
    failureThreshold: within(fields, 'failureThreshold', 1),
  }
}

function plainCheck(check: ProbeCheck): object {
  switch (check.kind) {
    case 'http': {
      const headers = check.headers.map(([name, value]) => ({ name, value }))
      return { http: { ...check, scheme: httpSchemeNames[check.scheme], headers } }
    }
    case 'tcp':
      return { tcp: check }
    case 'grpc':
      return { grpc: check }
    case 'exec':
      return { exec: check }
    case 'unit':
      return { unit: check }
    default:
      return assertNever(check)
  }
}

function readCheck(probe: Fields): ProbeCheck {
  const kind = probe.oneOf(['http', 'tcp', 'grpc', 'exec', 'unit'])
  const fields = probe.message(kind)
  switch (kind) {
    case 'http':
      return {
        kind,
        scheme: fields.choice('scheme', schemes),
        ...fields.optionalName('host'),
        port: fields.port('port'),
        path: matching(fields, 'path', probeTexts.path),
        headers: fields.messages('headers', maxHeaders, header),
      }
    case 'tcp':
      return { kind, ...fields.optionalName('host'), port: fields.port('port') }
    case 'grpc':
      return { kind, port: fields.port('port'), service: fields.text('service', maxNameLength) }
    case 'exec': {
      const command = fields.list('command', maxArguments, argument)
      if (command[0] === undefined || command[0] === '') throw malformed(`${fields.path}.command`, 'is empty')
      return { kind, command }
    }
    case 'unit':
      return { kind, unit: matching(fields, 'unit', probeTexts.unit) }
    default:
      return assertNever(kind)
  }
}

function header(fields: Fields): readonly [string, string] {
  return [matching(fields, 'name', probeTexts.headerName), matching(fields, 'value', probeTexts.headerValue)]
}

/** Unlike other text an argument may hold several lines: a small script. */
function argument(raw: unknown, path: string): string {
  if (typeof raw !== 'string' || raw.length > maxTextLength) throw malformed(path, 'is not an argument')
  if (raw.includes('\0') || !raw.isWellFormed()) throw malformed(path, 'has characters that are not text')
  return raw
}

function matching(fields: Fields, field: string, pattern: RegExp): string {
  const text = fields.text(field)
  if (!pattern.test(text)) throw malformed(`${fields.path}.${field}`, 'has characters that do not belong there')
  return text
}

function within(fields: Fields, field: string, min: number): number {
  const value = fields.integer(field)
  if (value < min || value > probeLimits.max) {
    throw malformed(`${fields.path}.${field}`, `is not from ${min} to ${probeLimits.max}`)
  }
  return value
}
