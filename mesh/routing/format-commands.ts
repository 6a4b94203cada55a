import { fieldOf } from './header-fields.ts'
import type { FormatInput } from './header-format.ts'

/** One command, prepared: octets, or nothing. */
export type Command = (input: FormatInput) => string

/** Reads a command without its percent signs: `REQ(x-user?x-name):16`. Undefined for one that is not known. */
export function commandOf(text: string): Command | undefined {
  const found = /^([A-Z0-9_]+)(?:\(([^)]*)\))?(?::(\d+))?$/.exec(text)
  if (found === null) return undefined
  const [, name = '', argument, length] = found
  const command = (argument === undefined ? plain[name] : withArgument[name]?.(argument)) ?? undefined
  if (command === undefined || length === undefined) return command
  const most = Number(length)
  return input => command(input).slice(0, most)
}

const plain: Readonly<Record<string, Command>> = {
  PROTOCOL: ({ facts }) => facts.protocol,
  START_TIME: ({ facts }) => new Date(facts.startedAt).toISOString(),
  DOWNSTREAM_REMOTE_ADDRESS: ({ facts }) => facts.downstreamRemoteAddress,
  DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ facts }) => addressOf(facts.downstreamRemoteAddress),
  DOWNSTREAM_REMOTE_PORT: ({ facts }) => portOf(facts.downstreamRemoteAddress),
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS: ({ facts }) => facts.downstreamRemoteAddress,
  DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT: ({ facts }) => addressOf(facts.downstreamRemoteAddress),
  DOWNSTREAM_LOCAL_ADDRESS: ({ facts }) => facts.downstreamLocalAddress,
  DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ facts }) => addressOf(facts.downstreamLocalAddress),
  DOWNSTREAM_LOCAL_PORT: ({ facts }) => portOf(facts.downstreamLocalAddress),
  UPSTREAM_HOST: ({ facts }) => facts.upstreamHost,
  UPSTREAM_REMOTE_ADDRESS: ({ facts }) => facts.upstreamHost,
  UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT: ({ facts }) => addressOf(facts.upstreamHost),
  UPSTREAM_LOCAL_ADDRESS: ({ facts }) => facts.upstreamLocalAddress,
  UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT: ({ facts }) => addressOf(facts.upstreamLocalAddress),
  UPSTREAM_CLUSTER: ({ facts }) => facts.upstreamCluster,
  UPSTREAM_REQUEST_ATTEMPT_COUNT: ({ facts }) => String(facts.attempts),
  REQUESTED_SERVER_NAME: ({ facts }) => facts.requestedServerName,
  ROUTE_NAME: ({ facts }) => facts.routeName,
  STREAM_ID: ({ facts }) => facts.requestId,
  RESPONSE_CODE: ({ facts }) => String(facts.status),
  RESPONSE_CODE_DETAILS: ({ facts }) => facts.codeDetails,
  RESPONSE_FLAGS: ({ facts }) => (facts.flags === '' ? '-' : facts.flags),
  BYTES_RECEIVED: ({ facts }) => String(facts.bytesReceived),
  BYTES_SENT: ({ facts }) => String(facts.bytesSent),
  HOSTNAME: ({ facts }) => facts.node,
}

const withArgument: Readonly<Record<string, (argument: string) => Command | undefined>> = {
  REQ: argument => {
    const names = headerNames(argument)
    return ({ request }) => firstOf(request, names)
  },
  RESP: argument => {
    const names = headerNames(argument)
    return ({ response }) => firstOf(response, names)
  },
  REQ_WITHOUT_QUERY: argument => {
    const names = headerNames(argument)
    return ({ request }) => withoutQuery(firstOf(request, names))
  },
  PATH: pathCommand,
  QUERY_PARAM:
    name =>
    ({ request }) =>
      queryParameter(firstOf(request, [':path']), name),
  START_TIME: timeCommand,
}

/** `name?other`: the second where the first is absent. `host` is how HTTP/1.1 says `:authority`. */
function headerNames(argument: string): readonly string[] {
  return argument.split('?').map(name => (name.toLowerCase() === 'host' ? ':authority' : name.toLowerCase()))
}

function firstOf(headers: readonly string[], names: readonly string[]): string {
  for (const name of names) {
    const value = fieldOf(headers, name)
    if (value !== undefined && value !== '') return value
  }
  return ''
}

/** `PATH(WQ|NQ:PATH|ORIG|ORIG_OR_PATH)`: with or without the query, as it is or as it came. */
function pathCommand(argument: string): Command | undefined {
  const found = /^(WQ|NQ)(?::(PATH|ORIG|ORIG_OR_PATH))?$/.exec(argument)
  if (found === null) return undefined
  const [, query, source = 'ORIG_OR_PATH'] = found
  const original = 'x-envoy-original-path'
  const names = source === 'PATH' ? [':path'] : source === 'ORIG' ? [original] : [original, ':path']
  return ({ request }) => {
    const path = firstOf(request, names)
    return query === 'NQ' ? withoutQuery(path) : path
  }
}

function withoutQuery(path: string): string {
  const query = path.indexOf('?')
  return query < 0 ? path : path.slice(0, query)
}

function queryParameter(path: string, name: string): string {
  const query = path.indexOf('?')
  if (query < 0) return ''
  for (const pair of path.slice(query + 1).split('&')) {
    if (pair.startsWith(`${name}=`)) return pair.slice(name.length + 1)
  }
  return ''
}

/** strftime, as far as it is about UTC: `%Y-%m-%dT%H:%M:%S`, `%s`, and `%3f` for a fraction. */
function timeCommand(format: string): Command | undefined {
  if (/%(?![YmdHMSsTF%]|[1-9]?f)/.test(format)) return undefined
  return ({ facts: { startedAt } }) => {
    const iso = new Date(startedAt).toISOString()
    const parts: Readonly<Record<string, string>> = {
      Y: iso.slice(0, 4),
      m: iso.slice(5, 7),
      d: iso.slice(8, 10),
      H: iso.slice(11, 13),
      M: iso.slice(14, 16),
      S: iso.slice(17, 19),
      T: iso.slice(11, 19),
      F: iso.slice(0, 10),
      s: String(Math.floor(startedAt / 1000)),
      '%': '%',
    }
    const fraction = `${iso.slice(20, 23)}000000`
    return format.replace(/%(?:([YmdHMSsTF%])|([1-9])?f)/g, (_, letter?: string, digits?: string) =>
      letter === undefined ? fraction.slice(0, Number(digits ?? 9)) : (parts[letter] ?? ''),
    )
  }
}

/** An address without its port, and without the brackets of IPv6. */
function addressOf(address: string): string {
  const colon = address.lastIndexOf(':')
  return colon < 0 ? address : address.slice(0, colon).replace(/^\[(.*)\]$/, '$1')
}

function portOf(address: string): string {
  return address.slice(address.lastIndexOf(':') + 1)
}
