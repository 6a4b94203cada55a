/**
 * The parts of prom-client that an agent uses. Its entry point would load clustering, process metrics and a push client,
 * too: 4 MiB.
 */
declare module 'prom-client/lib/counter.js' {
  import { Counter } from 'prom-client'

  export default Counter
}

declare module 'prom-client/lib/gauge.js' {
  import { Gauge } from 'prom-client'

  export default Gauge
}

declare module 'prom-client/lib/registry.js' {
  import { Registry } from 'prom-client'

  export default Registry
}
