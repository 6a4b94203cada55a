/** What the operator of the demo writes about the traffic of shop, as YAML for `weft apply`. */

const head = (kind: string) => `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: { name: shop }\nspec:`

export const subsets = `${head('DestinationRule')}
  host: shop
  subsets:
    - { name: v1, labels: { version: v1 } }
    - { name: v2, labels: { version: v2 } }
`

/** So many percent of the calls go to v2. */
export const canary = (percent: number) => `${head('VirtualService')}
  hosts: [shop]
  http:
    - route:
        - { destination: { host: shop, subset: v1 }, weight: ${100 - percent} }
        - { destination: { host: shop, subset: v2 }, weight: ${percent} }
`

export const tester = `${head('VirtualService')}
  hosts: [shop]
  http:
    - name: testers
      match: [{ headers: { x-tester: { exact: 'yes' } } }]
      route: [{ destination: { host: shop, subset: v2 } }]
    - route: [{ destination: { host: shop, subset: v1 } }]
`

/** To all three, with so many further attempts. */
export const retries = (attempts: number) => `${head('VirtualService')}
  hosts: [shop]
  http:
    - route: [{ destination: { host: shop } }]
      retries: { attempts: ${attempts}${attempts === 0 ? '' : ', retryOn: "5xx,reset"'} }
`

export const outliers = `${head('DestinationRule')}
  host: shop
  trafficPolicy:
    outlierDetection: { consecutive5xxErrors: 3, interval: 1s, baseEjectionTime: 300s, maxEjectionPercent: 50 }
`

export const faults = `${subsets}---
${head('VirtualService')}
  hosts: [shop]
  http:
    - match: [{ headers: { x-chaos: { exact: slow } } }]
      fault: { delay: { fixedDelay: 200ms, percentage: { value: 50 } } }
      route: [{ destination: { host: shop, subset: v1 } }]
    - match: [{ headers: { x-chaos: { exact: broken } } }]
      fault: { abort: { httpStatus: 418, percentage: { value: 50 } } }
      route: [{ destination: { host: shop, subset: v1 } }]
    - route: [{ destination: { host: shop, subset: v1 } }]
`

export const mirror = `${head('VirtualService')}
  hosts: [shop]
  http:
    - route: [{ destination: { host: shop, subset: v1 } }]
      mirror: { host: shop, subset: v2 }
`
