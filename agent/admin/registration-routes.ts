import { MeshError } from '../../mesh/std/errors.ts'
import type { Wish } from '../registration/declared.ts'
import type { Registrations } from '../registration/registrations.ts'
import type { Answer, ReadBody, Routes } from './http.ts'

/**
 * `POST /register {group, name?, address?, ports?}`, `POST /deregister {name}` and `POST /maintain {name, reason}`, where
 * an empty reason ends it. Each answers `{name}`, or `{code, message, next, fields}` of the error.
 */
export function registrationRoutes(registrations: Pick<Registrations, 'register' | 'deregister' | 'maintain'>): Routes {
  const { register, deregister, maintain } = registrations
  return {
    'POST /register': body => answered(body, async fields => register(wishOf(fields))),
    'POST /deregister': body => answered(body, fields => named(fields, name => deregister(name))),
    'POST /maintain': body =>
      answered(body, fields => named(fields, name => maintain(name, text(fields, 'reason') ?? ''))),
  }
}

type Body = Readonly<Record<string, unknown>>

async function answered(body: ReadBody, work: (fields: Body) => Promise<string>): Promise<Answer> {
  try {
    return { status: 200, body: { name: await work(object(await body(), 'the request')) } }
  } catch (error) {
    if (!(error instanceof MeshError)) throw error
    const { code, message, next, fields } = error
    const status = code === 'WEFT_NOT_FOUND' ? 404 : code === 'WEFT_STATE_UNWRITABLE' ? 500 : 400
    return { status, body: { code, message, next, fields } }
  }
}

async function named(fields: Body, work: (name: string) => Promise<void>): Promise<string> {
  const name = text(fields, 'name')
  if (name === undefined) throw new MeshError('WEFT_USAGE', 'name is missing')
  await work(name)
  return name
}

function wishOf(fields: Body): Wish {
  const name = text(fields, 'name')
  const address = text(fields, 'address')
  const ports = Object.entries(object(fields.ports ?? {}, 'ports')).map(([key, port]) => {
    if (typeof port !== 'number') throw new MeshError('WEFT_USAGE', `port ${key} is not a number`)
    return [key, port] as const
  })
  return {
    group: text(fields, 'group') ?? '',
    ...(name === undefined ? {} : { name }),
    ...(address === undefined ? {} : { address }),
    ports: Object.fromEntries(ports),
  }
}

function text(fields: Body, field: string): string | undefined {
  const value = fields[field]
  if (value === undefined || typeof value === 'string') return value
  throw new MeshError('WEFT_USAGE', `${field} is not a text`)
}

function object(value: unknown, what: string): Body {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return { ...value }
  throw new MeshError('WEFT_USAGE', `${what} is not a mapping`)
}
