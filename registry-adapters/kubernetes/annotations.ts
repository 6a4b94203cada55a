import { type InstanceSettings, readSettings } from '../instance-settings.ts'
import { quoted } from '../quoted.ts'
import type { Annotations } from './objects.ts'

/** Settings that mean something on a Service, and on a Pod; the others only where a registry has hosts of its own. */
const ofService = ['protocol']
const ofPod = ['service-account', 'weight', 'locality', 'node']

/**
 * Reads the annotations `weft.dev/<key>` of a Service or a Pod: the same words as in every registry. Unknown ones, and
 * those that mean nothing there, are returned as reasons.
 */
export function settingsOf(
  annotations: Annotations,
  on: 'Service' | 'Pod',
): { readonly settings: InstanceSettings; readonly reasons: readonly string[] } {
  const allowed = on === 'Service' ? ofService : ofPod
  const written = annotations.map(([key, value]) => ({ written: `weft.dev/${key}`, key, value }))
  const { settings, reasons } = readSettings(written)
  const strange = Object.keys(settings).filter(key => !allowed.includes(key))
  return {
    settings: Object.fromEntries(Object.entries(settings).filter(([key]) => allowed.includes(key))),
    reasons: [...reasons, ...strange.map(key => `${quoted(`weft.dev/${key}`)} means nothing on a ${on}`)],
  }
}
