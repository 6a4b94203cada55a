import type { Service } from '../../mesh/model/service.ts'

/** Why two registries cannot be speaking of the same service, so that their endpoints do not go together. */
export function differenceOf(a: Service, b: Service): string | undefined {
  if (a.location !== b.location) return `one is ${a.location}, the other ${b.location}`
  const [one, other] = [a, b].map(({ resolution = 'static' }) => resolution)
  if (one !== other) return `their endpoints are found in different ways (${one} and ${other})`
  const ports = (service: Service) => {
    return service.ports
      .map(({ name, port, protocol }) => `${name}=${port}/${protocol}`)
      .sort()
      .join(' ')
  }
  return ports(a) === ports(b) ? undefined : `their ports differ (${ports(a)} and ${ports(b)})`
}
