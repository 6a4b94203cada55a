import type { Probe } from '../mesh/model/probe.ts'
import { nativeHealth, probeFromNative } from '../mesh/resources/native-health.ts'
import type { InstanceSettings } from './instance-settings.ts'
import { quoted } from './quoted.ts'

/**
 * The health check that an instance asks its host's agent for: `http://:8080/healthz`, `https://…`, `tcp://:8080` or
 * `grpc://:9090/<service>`; without a host it is the instance's own address. Commands and units cannot be asked for:
 * whoever may write into a registry could have them run.
 */
export function probeOf(settings: InstanceSettings): { readonly probe?: Probe; readonly reasons: readonly string[] } {
  const { health } = settings
  if (health === undefined) return { reasons: [] }
  const checked = nativeHealth.safeParse(shortForm(health))
  const probe = checked.success ? probeFromNative(checked.data) : undefined
  if (probe !== undefined) return { probe, reasons: [] }
  return { reasons: [`weft-health ${quoted(health)} is no check such as http://:8080/healthz or tcp://:8080`] }
}

/** As it stands in a registry file. */
function shortForm(text: string): object {
  const [, scheme, rest = ''] = /^([a-z]+):\/\/(.*)$/.exec(text) ?? []
  switch (scheme) {
    case 'http':
    case 'https':
      return { http: text }
    case 'tcp':
    case 'grpc':
      return { [scheme]: rest }
    default:
      return {}
  }
}
