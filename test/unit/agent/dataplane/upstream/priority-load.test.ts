import t from 'tap'
import { capacity, inPanic, priorityLoads } from '../../../../../agent/dataplane/upstream/priority-load.ts'

/** Percent of healthy endpoints by priority, and percent of traffic that Envoy documents for them. */
const documented: readonly (readonly [readonly number[], readonly number[]])[] = [
  [[100], [100]],
  [
    [72, 100],
    [100, 0],
  ],
  [
    [71, 100],
    [99, 1],
  ],
  [
    [50, 100],
    [70, 30],
  ],
  [
    [25, 100],
    [35, 65],
  ],
  [
    [0, 100],
    [0, 100],
  ],
  [
    [50, 50],
    [70, 30],
  ],
  [
    [25, 25],
    [50, 50],
  ],
  [
    [71, 71, 100],
    [99, 1, 0],
  ],
  [
    [25, 25, 100],
    [35, 35, 30],
  ],
  [
    [25, 25, 20],
    [36, 36, 28],
  ],
  [
    [0, 0],
    [0, 0],
  ],
]

t.test('shares traffic between priorities as Envoy documents', async t => {
  for (const [healthy, expected] of documented) {
    const loads = priorityLoads(healthy.map(percent => capacity(percent, 100)))
    for (const [index, percent] of expected.entries()) {
      const load = (loads[index] ?? 0) * 100
      t.ok(Math.abs(load - percent) <= 1, `${healthy}: ${load} for ${percent}`)
    }
  }
})

t.test('panics only where priorities together cannot carry the traffic', async t => {
  const rows = [
    [[100, 100], 50, [false, false]],
    [[25, 100], 50, [false, false]],
    [[25, 25], 50, [true, true]],
    [[5, 65], 50, [true, false]],
    [[0, 0], 0, [false, false]],
    [[0, 0], 1, [true, true]],
  ] as const
  for (const [healthy, percent, expected] of rows) {
    t.strictSame(inPanic(healthy, [100, 100], percent), expected, `${healthy} below ${percent}`)
  }
  t.strictSame(inPanic([0, 0], [0, 10], 50), [false, true], 'where nobody is, nobody panics')
})
