import { createInterface } from 'node:readline'
import { FakeConsul, type Fault } from '../../fakes/consul.ts'
import type { ConsulRegistration } from '../../support/consul.ts'

// `node faulty-consul.ts ADDRESS` is a Consul that does what it is told: one JSON command a line on standard input, each
// answered by a line. `fault` is wrong with every answer whose resource matches; `half` cuts every list in half; `flap`
// makes a check pass and fail in turn, this often a second, until the next one. Each line of an answer ends in the number
// of wrong answers that were given since the last fault began.

export type FaultyConsulCommand =
  | { readonly do: 'register'; readonly registration: ConsulRegistration }
  | { readonly do: 'deregister'; readonly node: string; readonly service: string }
  | { readonly do: 'fault'; readonly on: string; readonly fault: Fault }
  | { readonly do: 'half'; readonly on: string }
  | { readonly do: 'flap'; readonly hertz: number; readonly registration: ConsulRegistration }
  | { readonly do: 'count' }
  | { readonly do: 'well' }

const fake = await FakeConsul.start(process.argv[2] ?? '127.0.0.1')
let flapping: NodeJS.Timeout | undefined
let wrong = 0

function breakWith(faultOf: (resource: string) => Fault | undefined): void {
  wrong = 0
  fake.fault = ({ resource }) => {
    const fault = faultOf(resource)
    if (fault !== undefined) wrong += 1
    return fault
  }
  fake.release()
}

function obey(command: FaultyConsulCommand): void {
  switch (command.do) {
    case 'register':
      return fake.apply(() => fake.state.register(command.registration))
    case 'deregister':
      return fake.apply(() => fake.state.deregister({ Node: command.node, ServiceID: command.service }))
    case 'fault': {
      const matching = new RegExp(command.on)
      return breakWith(resource => (matching.test(resource) ? command.fault : undefined))
    }
    case 'half': {
      const matching = new RegExp(command.on)
      return breakWith(resource => {
        if (!matching.test(resource)) return undefined
        const whole = fake.state.service(resource.replace(/^service\//, ''))
        return { kind: 'body', body: whole.slice(0, Math.floor(whole.length / 2)) }
      })
    }
    case 'flap': {
      let bad = false
      clearInterval(flapping)
      const { registration } = command
      flapping = setInterval(() => {
        bad = !bad
        const check = { ...registration.Check, Status: bad ? 'critical' : 'passing' }
        fake.apply(() => fake.state.register({ ...registration, Check: check } as ConsulRegistration))
      }, 1000 / command.hertz)
      return
    }
    case 'count':
      return
    case 'well':
      clearInterval(flapping)
      fake.fault = () => undefined
      return fake.release()
  }
}

console.log(`listening ${fake.address}`)
for await (const line of createInterface({ input: process.stdin })) {
  obey(JSON.parse(line))
  console.log(`done ${line.slice(0, 60)} ${wrong}`)
}
