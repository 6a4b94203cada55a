import { MeshError } from '../../mesh/std/errors.ts'
import type { RotationOptions } from '../identity/rotation.ts'
import type { Rotator } from '../identity/rotator.ts'
import type { Access } from './access.ts'
import { jsonBody, type Route } from './route.ts'

const minute = 60_000
const day = 24 * 60 * minute
const limits = { renewWithinMs: { least: 0, most: day }, retentionMs: { least: 0, most: 365 * day } }

const read: Access = { verb: 'read', of: 'authority', scope: 'mesh' }
const write: Access = { verb: 'write', of: 'authority', scope: 'mesh' }

/** The certificate authority: how it is, and changing its root. */
export function caRoutes(rotator: Rotator): readonly Route[] {
  return [
    { method: 'GET', path: '/v1/ca', access: read, handle: () => rotator.status() },
    {
      method: 'POST',
      path: '/v1/ca/rotation',
      access: write,
      handle(request) {
        const options = rotationOptions(jsonBody(request))
        rotator.rotate(options)
        request.by.wrote({ what: 'Authority rotation', kind: 'Authority', after: { step: 'started', ...options } })
        return rotator.status()
      },
    },
    {
      method: 'POST',
      path: '/v1/ca/csr',
      access: write,
      handle({ by }) {
        const csr = rotator.csr()
        by.wrote({ what: 'Authority request', kind: 'Authority', after: { csr } })
        return { csr }
      },
    },
    {
      method: 'POST',
      path: '/v1/ca/install',
      access: write,
      handle(request) {
        const { chain, ...others } = jsonBody(request)
        if (typeof chain !== 'string') throw new MeshError('WEFT_USAGE', 'chain is not a text')
        const options = rotationOptions(others)
        rotator.install(chain, options)
        request.by.wrote({ what: 'Authority chain', kind: 'Authority', after: { chain, ...options } })
        return rotator.status()
      },
    },
    {
      method: 'POST',
      path: '/v1/ca/rotation/force',
      access: write,
      handle({ by }) {
        const skipped = rotator.force()
        by.wrote({ what: 'Authority rotation', kind: 'Authority', after: { step: 'forced', skipped } })
        return { skipped }
      },
    },
    {
      method: 'POST',
      path: '/v1/ca/rotation/abort',
      access: write,
      handle({ by }) {
        rotator.abort()
        by.wrote({ what: 'Authority rotation', kind: 'Authority', after: { step: 'aborted' } })
        return rotator.status()
      },
    },
  ]
}

function rotationOptions(body: Readonly<Record<string, unknown>>): RotationOptions {
  const { renewWithinMs = minute, retentionMs = 90 * day, compromised = false, ...others } = body
  const [unknown] = Object.keys(others)
  if (unknown !== undefined) throw new MeshError('WEFT_USAGE', `a rotation has no ${unknown}`)
  if (typeof compromised !== 'boolean') throw new MeshError('WEFT_USAGE', 'compromised is neither true nor false')
  return {
    renewWithinMs: duration(renewWithinMs, 'renewWithinMs'),
    retentionMs: duration(retentionMs, 'retentionMs'),
    compromised,
  }
}

function duration(value: unknown, field: keyof typeof limits): number {
  const { least, most } = limits[field]
  if (typeof value === 'number' && Number.isInteger(value) && value >= least && value <= most) return value
  throw new MeshError('WEFT_USAGE', `${field} is not a number of milliseconds from ${least} to ${most}`)
}
