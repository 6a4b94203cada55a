import { MeshError } from '../../mesh/std/errors.ts'
import type { RotationOptions } from '../identity/rotation.ts'
import type { Rotator } from '../identity/rotator.ts'
import { type ApiRequest, jsonBody, type Route } from './route.ts'

const minute = 60_000
const day = 24 * 60 * minute
const limits = { renewWithinMs: { least: 0, most: day }, retentionMs: { least: 0, most: 365 * day } }

/** The certificate authority: how it is, and changing its root. */
export function caRoutes(rotator: Rotator): readonly Route[] {
  return [
    { method: 'GET', path: '/v1/ca', handle: () => rotator.status() },
    {
      method: 'POST',
      path: '/v1/ca/rotation',
      handle(request) {
        rotator.rotate(rotationOptions(request))
        return rotator.status()
      },
    },
    { method: 'POST', path: '/v1/ca/rotation/force', handle: () => ({ skipped: rotator.force() }) },
    {
      method: 'POST',
      path: '/v1/ca/rotation/abort',
      handle() {
        rotator.abort()
        return rotator.status()
      },
    },
  ]
}

function rotationOptions(request: ApiRequest): RotationOptions {
  const { renewWithinMs = minute, retentionMs = 90 * day, compromised = false, ...others } = jsonBody(request)
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
