import { MeshError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Watch } from '../../mesh/std/watch.ts'
import { maxRegistrations, type Registration } from '../../mesh/wire/messages.ts'
import { type Declared, declare, invalid, type KeptRegistrations, type Wish } from './declared.ts'

export interface RegistrationsDeps {
  readonly log: Log
  /** Brings them to disk; throws WEFT_STATE_UNWRITABLE. */
  save(kept: KeptRegistrations): Promise<void>
}

export interface RegistrationsOptions {
  readonly kept: KeptRegistrations
  /** Name of what is registered without one. */
  readonly defaultName: string
  /** What the agent's settings register. */
  readonly automatic?: Declared
}

/** A registration as it stands; the address is absent as long as it is not known. */
export interface StandingRegistration extends Omit<Registration, 'address'> {
  readonly address?: string
  readonly from: 'settings' | 'command'
}

/**
 * The workloads that this host declares itself. It knows nothing of what the server makes of them. Changes are on disk
 * before they are in effect; each throws WEFT_STATE_UNWRITABLE, with nothing changed, when they cannot be.
 */
export interface Registrations {
  /** For the server: empty once the host has left. */
  readonly reported: Watch<readonly Registration[]>
  list(): readonly StandingRegistration[]
  /** Adds one, or replaces the one of its name; gives the name. Throws WEFT_REGISTRATION_INVALID. */
  register(wish: Wish): Promise<string>
  /** Throws WEFT_NOT_FOUND, and WEFT_REGISTRATION_INVALID for what the settings register. */
  deregister(name: string): Promise<void>
  /** Takes one out of service with a reason, or back with an empty one. Throws WEFT_NOT_FOUND. */
  maintain(name: string, reason: string): Promise<void>
  /** Tells where the server sees this host, or would: the address of registrations without one of their own. */
  locate(address: string | undefined): void
  /** The host goes: nothing is registered from now on, and everything is still on disk. */
  leave(): void
}

const maxReasonLength = 200

/** Takes up what was kept. Throws WEFT_REGISTRATION_INVALID only from its methods. */
export function createRegistrations(deps: RegistrationsDeps, options: RegistrationsOptions): Registrations {
  const { automatic } = options
  const reported = new Watch<readonly Registration[]>([])
  let kept = options.kept
  let own: string | undefined
  let gone = false
  let last: Promise<unknown> = Promise.resolve()

  const shadowed = kept.declared.find(({ name }) => name === automatic?.name)
  if (shadowed !== undefined) {
    deps.log.warn('a registration gives way to the one of the same name in the settings', { ...shadowed })
  }
  publish()

  function list(): readonly StandingRegistration[] {
    const byCommand = kept.declared.filter(({ name }) => name !== automatic?.name)
    const standing = (one: Declared, from: StandingRegistration['from']): StandingRegistration => {
      const { address: declared, ...rest } = one
      const address = declared === '' ? own : declared
      const maintenance = kept.maintenance.get(one.name) ?? ''
      return { ...rest, ...(address === undefined ? {} : { address }), maintenance, from }
    }
    return [
      ...(automatic === undefined ? [] : [standing(automatic, 'settings')]),
      ...byCommand.map(one => standing(one, 'command')),
    ].sort((a, b) => (a.name < b.name ? -1 : 1))
  }

  function publish(): void {
    const next = gone
      ? []
      : list().flatMap(({ group, name, address, ports, maintenance }): Registration[] =>
          address === undefined ? [] : [{ group, name, address, ports, maintenance }],
        )
    if (JSON.stringify(next) !== JSON.stringify(reported.value)) reported.set(next)
  }

  /** One change at a time, each made from the one before. */
  function change<T>(make: () => { readonly next: KeptRegistrations; readonly result: T }): Promise<T> {
    const mine = last.then(async () => {
      const { next, result } = make()
      await deps.save(next)
      kept = next
      publish()
      return result
    })
    last = mine.catch(() => {})
    return mine
  }

  function refuseUnknown(name: string): void {
    if (list().some(one => one.name === name)) return
    throw new MeshError('WEFT_NOT_FOUND', `nothing is registered as ${JSON.stringify(name)} on this host`, {
      fields: { name },
      next: 'see what is with weft register --list',
    })
  }

  return {
    reported,
    list,
    register: wish =>
      change(() => {
        const declared = declare(wish, options.defaultName)
        const { name } = declared
        if (name === automatic?.name) throw invalid('name', name, 'is registered by the settings of this agent')
        const others = kept.declared.filter(one => one.name !== name)
        if (others.length >= maxRegistrations) throw invalid('name', name, `is one more than ${maxRegistrations}`)
        return { next: { ...kept, declared: [...others, declared] }, result: name }
      }),
    deregister: name =>
      change(() => {
        refuseUnknown(name)
        if (name === automatic?.name) {
          throw new MeshError('WEFT_REGISTRATION_INVALID', `${name} is registered by the settings of this agent`, {
            fields: { name },
            next: 'take register.group out of the settings and restart the agent, or use weft maintain',
          })
        }
        const declared = kept.declared.filter(one => one.name !== name)
        return { next: { declared, maintenance: without(kept.maintenance, name) }, result: undefined }
      }),
    maintain: (name, reason) =>
      change(() => {
        refuseUnknown(name)
        const text = reason
          .replaceAll(/[\p{Cc}\u2028\u2029]+/gu, ' ')
          .trim()
          .slice(0, maxReasonLength)
        const maintenance = new Map(without(kept.maintenance, name))
        if (text !== '') maintenance.set(name, text)
        return { next: { ...kept, maintenance }, result: undefined }
      }),
    locate(address) {
      own = address
      publish()
    },
    leave() {
      gone = true
      publish()
    },
  }
}

function without(maintenance: ReadonlyMap<string, string>, name: string): ReadonlyMap<string, string> {
  return new Map([...maintenance].filter(([other]) => other !== name))
}
