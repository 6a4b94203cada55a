import { z } from 'zod'
import { type Probe, type ProbeCheck, probeDefaults, probeLimits, probeTexts } from '../model/probe.ts'
import { canonicalAddress } from '../std/ip-address.ts'

/** What the two ways of writing a health check have in common. */

/** Where to connect to instead of the workload's own address; empty is the same as leaving it out, as in Istio. */
export const probeHost = z
  .string()
  .max(253)
  .refine(text => text === '' || isProbeHost(text), 'is not an address or a name')

/** Path and query of a URL; the slash in front may be left out, as in Istio. */
export const probePath = z
  .string()
  .refine(path => probeTexts.path.test(absolutePath(path)), 'must be a path, percent-encoded where it needs to be')

/** A program and its arguments; no shell reads them. */
export const probeCommand = z
  .array(
    z
      .string()
      .max(4096)
      .refine(text => !text.includes('\0'), 'has a zero byte'),
  )
  .min(1)
  .max(256)
  .refine(([program]) => program !== '', 'begins with a program that has no name')

/** The name of a systemd unit. */
export const probeUnit = z.string().refine(isProbeUnit, 'is not the name of a systemd unit')

/** So many results in a row. */
export const threshold = z.int().min(0).max(probeLimits.max)

/** True for the name of a systemd unit that can be asked for. */
export function isProbeUnit(text: string): boolean {
  return probeTexts.unit.test(text)
}

/** True for an address or a name to connect to. Underscores are in names that are not of the DNS. */
export function isProbeHost(text: string): boolean {
  return canonicalAddress(text) !== undefined || /^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?$/.test(text)
}

/** The path as it is asked for; `/` for none. */
export function absolutePath(path: string): string {
  return path.startsWith('/') ? path : `/${path}`
}

/** Refuses a check that is none, or several, of the kinds. */
export function exactlyOne(
  value: object,
  kinds: readonly string[],
  context: z.RefinementCtx,
  path: string[] = [],
): void {
  const given = kinds.filter(kind => Object.hasOwn(value, kind))
  if (given.length === 1) return
  const message = given.length === 0 ? `needs one of ${kinds.join(', ')}` : `has ${given.join(' and ')}, one is enough`
  context.addIssue({ code: 'custom', message, path })
}

/** A probe with every default filled in; what is 0 counts as not said, as protobuf cannot tell them apart. */
export function probeOf(check: ProbeCheck, given: { readonly [key in keyof Times]: number | undefined }): Probe {
  return {
    check,
    initialDelayMs: given.initialDelayMs ?? probeDefaults.initialDelayMs,
    timeoutMs: given.timeoutMs || probeDefaults.timeoutMs,
    periodMs: given.periodMs || probeDefaults.periodMs,
    successThreshold: given.successThreshold || probeDefaults.successThreshold,
    failureThreshold: given.failureThreshold || probeDefaults.failureThreshold,
  }
}

type Times = Omit<Probe, 'check'>
