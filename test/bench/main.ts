import { benchCatalogue } from './catalogue/bench.ts'
import { benchHttp, benchHttp2 } from './http.ts'
import { benchL4 } from './l4.ts'
import { benchPolicy } from './policy.ts'

/** `npm run bench -- <name> [options]`: each bench says in its own file what it measures and which options it has. */
const benches: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  l4: benchL4,
  http: benchHttp,
  http2: benchHttp2,
  catalogue: benchCatalogue,
  policy: benchPolicy,
}

try {
  const [name = '', ...args] = process.argv.slice(2)
  const bench = Object.hasOwn(benches, name) ? benches[name] : undefined
  if (bench === undefined) throw new Error(`usage: npm run bench -- ${Object.keys(benches).join('|')} [options]`)
  await bench(args)
} catch (error) {
  console.error(error instanceof Error ? (process.env.DEBUG === undefined ? error.message : error.stack) : error)
  process.exitCode = 1
}
