import { must } from './commands.ts'

/** Packets seen between hosts whose bytes contain a text; a text split over two packets is not seen. */
export interface Marker {
  /** Packets that carried it so far, both families together. */
  count(): Promise<number>
}

/** The namespace all cables end in: every packet between two hosts crosses its FORWARD chain. */
export interface Wire {
  /** Counts packets between hosts that carry the text, from now on. */
  marker(text: string): Promise<Marker>
  /** Drops everything between two hosts, silently, as a broken network does; undo with {@link heal}. */
  partition(a: WireHost, b: WireHost): Promise<void>
  heal(a: WireHost, b: WireHost): Promise<void>
}

export interface WireHost {
  readonly address4: string
  readonly address6: string
}

/** The wire of a world, given the name of its namespace. */
export function createWire(namespace: string): Wire {
  const tables = (family: 4 | 6, ...args: string[]) =>
    must('nsenter', [`--net=/run/netns/${namespace}`, family === 4 ? 'iptables' : 'ip6tables', '-w', ...args])
  const drop = async (verb: '-I' | '-D', a: WireHost, b: WireHost) => {
    for (const [from, to] of [
      [a, b],
      [b, a],
    ] as const) {
      await tables(4, verb, 'FORWARD', '-s', from.address4, '-d', to.address4, '-j', 'DROP')
      await tables(6, verb, 'FORWARD', '-s', from.address6, '-d', to.address6, '-j', 'DROP')
    }
  }
  return {
    async marker(text) {
      const hex = `|${Buffer.from(text).toString('hex')}|`
      const comment = `marker-${Buffer.from(text).toString('hex').slice(0, 200)}`
      for (const family of [4, 6] as const) {
        const match = ['-m', 'string', '--algo', 'bm', '--hex-string', hex, '-m', 'comment', '--comment', comment]
        await tables(family, '-A', 'FORWARD', ...match)
      }
      return {
        async count() {
          const listings = await Promise.all([tables(4, '-S', 'FORWARD', '-v'), tables(6, '-S', 'FORWARD', '-v')])
          const rules = listings.flatMap(listing => listing.split('\n')).filter(rule => rule.includes(comment))
          if (rules.length !== 2) throw new Error('the marker rules are gone')
          return rules.reduce((sum, rule) => sum + Number(/ -c (\d+) /.exec(rule)?.[1] ?? Number.NaN), 0)
        },
      }
    },
    partition: (a, b) => drop('-I', a, b),
    heal: (a, b) => drop('-D', a, b),
  }
}
