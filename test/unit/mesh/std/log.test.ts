import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import t from 'tap'
import { createLog } from '../../../../mesh/std/log.ts'

const program = (body: string) =>
  `import { createLog } from ${JSON.stringify(new URL('../../../../mesh/std/log.ts', import.meta.url).href)}; ${body}`

function run(body: string) {
  return spawn(process.execPath, ['--input-type=module', '--eval', program(body)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

t.test('a line is one JSON object with time, level, message and fields', async t => {
  const lines: string[] = []
  const log = createLog('info', { write: line => void lines.push(line) })
  log.child({ part: 'test' }).info('something happened', { count: 2 })
  log.debug('too fine')
  t.equal(lines.length, 1)
  t.match(JSON.parse(lines[0] ?? ''), {
    level: 'info',
    message: 'something happened',
    part: 'test',
    count: 2,
    time: /Z$/,
  })
})

t.test('what was logged is written before the process exits', async t => {
  const child = run(
    "const log = createLog('info'); for (let n = 0; n < 100; n += 1) log.info('line', { n }); process.exit(3)",
  )
  const [output, [code]] = await Promise.all([text(child.stdout), once(child, 'exit')])
  t.equal(code, 3)
  t.equal(output.trimEnd().split('\n').length, 100)
})

t.test('a reader that has stalled does not hold the process up', async t => {
  const body = `const log = createLog('info'); const filler = 'x'.repeat(1000)
    for (let n = 0; n < 10_000; n += 1) log.info(filler)
    setTimeout(() => { process.stderr.write('alive'); process.kill(process.pid, 'SIGKILL') }, 50)`
  const child = run(body)
  t.teardown(() => child.kill('SIGKILL'))
  t.equal(await text(child.stderr), 'alive', 'its standard output was never read')
})

t.test('a reader that is gone does not end the process', async t => {
  const child = run(
    "const log = createLog('info'); setTimeout(() => log.info('a'), 50); setTimeout(() => log.info('b'), 100); setTimeout(() => process.exit(4), 150)",
  )
  child.stdout.destroy()
  const [code] = await once(child, 'exit')
  t.equal(code, 4)
})
