import { EventEmitter } from 'node:events'
import t from 'tap'
import { guardProcess, refuseUnsafeStart } from '../../../../mesh/std/process-guard.ts'
import { recordedLog } from '../../../support/recorded-log.ts'

t.test('refuses to start where checks are off or secrets are written down, naming each cause', t => {
  const cases: readonly [env: Record<string, string>, execArgv: readonly string[], found: readonly string[]][] = [
    [{ NODE_TLS_REJECT_UNAUTHORIZED: '0' }, [], ['NODE_TLS_REJECT_UNAUTHORIZED=0']],
    [{ SSLKEYLOGFILE: '' }, [], ['SSLKEYLOGFILE']],
    [{ NODE_OPTIONS: '--insecure-http-parser' }, [], ['--insecure-http-parser']],
    [{ NODE_OPTIONS: '--max-old-space-size=50  --tls_keylog=/x' }, [], ['--tls-keylog']],
    [{ NODE_OPTIONS: '"--enable-source-maps" "--report-on-signal"' }, [], ['--report-on-signal']],
    [{}, ['--inspect=0.0.0.0:9229'], ['--inspect']],
    [{}, ['--inspect-brk', '--heapsnapshot-signal=SIGUSR2'], ['--inspect-brk', '--heapsnapshot-signal']],
    [{ NODE_OPTIONS: '--report-on-signal' }, ['--report-on-signal'], ['--report-on-signal']],
  ]
  for (const [env, execArgv, found] of cases) {
    t.throws(
      () => refuseUnsafeStart({ env, execArgv: [...execArgv] }),
      { code: 'WEFT_CONFIG_INVALID', fields: { found } },
      found.join(),
    )
  }
  const harmless = { NODE_OPTIONS: '--max-old-space-size=200 --enable-source-maps', NODE_TLS_REJECT_UNAUTHORIZED: '1' }
  t.doesNotThrow(() => refuseUnsafeStart({ env: harmless, execArgv: ['--expose-gc'] }))
  t.end()
})

t.test('ends with status 70 when something fails that nobody has foreseen', t => {
  const log = recordedLog()
  const exits: unknown[] = []
  const events = new EventEmitter()
  const env = { NODE_OPTIONS: '--enable-source-maps', WEFT_TOKEN: 'secret', PATH: '/bin' }
  const exit = (code: unknown): never => {
    exits.push(code)
    return undefined as never
  }
  guardProcess(Object.assign(events, { env, execArgv: [], exit }) as unknown as NodeJS.Process, log)
  t.same(env, { PATH: '/bin' }, 'children inherit nothing that steers Node, and no token')
  events.emit('SIGUSR1')
  t.same(exits, [])
  events.emit('uncaughtException', new Error('broken'))
  events.emit('unhandledRejection', 'broken')
  t.same(exits, [70, 70])
  t.match(log.lines, [{ level: 'warn' }, { level: 'error', fields: { stack: /broken/ } }, { level: 'error' }])
  t.end()
})
