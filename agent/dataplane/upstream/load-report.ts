/**
 * What an endpoint says of its load with a response (ORCA): numbers by name, `cpu_utilization`, `rps_fractional`, and of
 * maps `<map>.<key>`, `named_metrics.queue`.
 */
export type LoadReport = ReadonlyMap<string, number>

const none: LoadReport = new Map()

/** Fields of `xds.data.orca.v3.OrcaLoadReport` by number: those that are numbers, and those that are maps to numbers. */
const numberFields = new Map([
  [1, 'cpu_utilization'],
  [2, 'mem_utilization'],
  [6, 'rps_fractional'],
  [7, 'eps'],
  [9, 'application_utilization'],
])
const mapFields = new Map([
  [4, 'request_cost'],
  [5, 'utilization'],
  [8, 'named_metrics'],
])

/**
 * Reads the value of `endpoint-load-metrics` (`TEXT cpu_utilization=0.3,...`, `JSON {...}` or `BIN <base64>`), or with
 * `isBinary` that of `endpoint-load-metrics-bin` (base64). What is not understood is nothing.
 */
export function readLoadReport(value: string, isBinary: boolean): LoadReport {
  if (isBinary) return fromBytes(Buffer.from(value, 'base64'))
  const blank = value.indexOf(' ')
  const text = value.slice(blank + 1).trim()
  switch (value.slice(0, Math.max(blank, 0))) {
    case 'TEXT':
      return fromText(text)
    case 'JSON':
      return fromJson(text)
    case 'BIN':
      return fromBytes(Buffer.from(text, 'base64'))
    default:
      return none
  }
}

function fromText(text: string): LoadReport {
  const report = new Map<string, number>()
  for (const pair of text.split(',')) {
    const equals = pair.indexOf('=')
    if (equals > 0) put(report, pair.slice(0, equals).trim(), Number(pair.slice(equals + 1).trim() || Number.NaN))
  }
  return report
}

function fromJson(text: string): LoadReport {
  const report = new Map<string, number>()
  for (const [name, value] of entriesOf(parsed(text))) {
    const field = snakeCase(name)
    if (typeof value === 'number') put(report, field, value)
    else for (const [key, number] of entriesOf(value)) put(report, `${field}.${key}`, number)
  }
  return report
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

function entriesOf(value: unknown): readonly [string, unknown][] {
  return typeof value === 'object' && value !== null ? Object.entries(value) : []
}

/** Protobuf's JSON has `rpsFractional` for `rps_fractional` and takes both. */
function snakeCase(name: string): string {
  return name.replaceAll(/[A-Z]/g, letter => `_${letter.toLowerCase()}`)
}

function fromBytes(bytes: Buffer): LoadReport {
  const report = new Map<string, number>()
  const isWhole = eachField(bytes, (field, value) => {
    const name = numberFields.get(field)
    if (name !== undefined) return put(report, name, doubleOf(value))
    const map = mapFields.get(field)
    if (map === undefined) return
    let key = ''
    let number = 0
    eachField(value, (at, part) => {
      if (at === 1) key = part.toString()
      else if (at === 2) number = doubleOf(part)
    })
    put(report, `${map}.${key}`, number)
  })
  return isWhole ? report : none
}

/** Every field of a protobuf message with its bytes; varints, of which none counts here, are left out. False when it is torn. */
function eachField(bytes: Buffer, take: (field: number, value: Buffer) => void): boolean {
  let at = 0
  const varint = (): number => {
    let value = 0
    for (let shift = 0; shift < 64; shift += 7) {
      const byte = bytes[at]
      if (byte === undefined) return Number.NaN
      at += 1
      value += (byte & 0x7f) * 2 ** shift
      if (byte < 0x80) return value
    }
    return Number.NaN
  }
  while (at < bytes.length) {
    const tag = varint()
    const wireType = tag % 8
    // 0 varint, 1 eight bytes, 2 bytes with their length, 5 four bytes
    const length = wireType === 0 ? varint() * 0 : wireType === 1 ? 8 : wireType === 2 ? varint() : 4
    const isKnown = wireType < 3 || wireType === 5
    if (!isKnown || !(at + length <= bytes.length)) return false
    if (wireType !== 0) take(Math.floor(tag / 8), bytes.subarray(at, at + length))
    at += length
  }
  return true
}

function doubleOf(bytes: Buffer): number {
  return bytes.length === 8 ? bytes.readDoubleLE(0) : Number.NaN
}

function put(report: Map<string, number>, name: string, value: unknown): void {
  if (typeof value === 'number' && Number.isFinite(value) && value >= 0) report.set(name, value)
}
