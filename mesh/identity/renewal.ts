import type { Random } from '../std/clock.ts'

/**
 * When to replace a certificate, in milliseconds since 1970: half of its life after `notBefore`, give or take a tenth
 * of that half, so that hosts which started together do not renew together.
 */
export function renewAt(validity: { readonly notBefore: number; readonly notAfter: number }, random: Random): number {
  const half = (validity.notAfter - validity.notBefore) / 2
  return Math.round(validity.notBefore + half * (0.9 + 0.2 * random()))
}
