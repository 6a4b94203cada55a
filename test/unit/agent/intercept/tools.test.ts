import t from 'tap'
import { createTools } from '../../../../agent/intercept/tools.ts'

const tools = createTools()

t.test('a program gets its arguments as they are, and its input', async t => {
  t.equal(await tools.run('printf', ['%s|', 'a b', '$(id)', ';']), 'a b|$(id)|;|')
  t.equal(await tools.run('cat', [], 'input'), 'input')
})

t.test('a program that is not there is told with how to install it', async t => {
  await t.rejects(tools.run('no-such-program', []), { code: 'WEFT_CAPTURE', next: /^install no-such-program/ })
})

t.test('a failure is told with the command and what it said', async t => {
  await t.rejects(tools.run('sh', ['-c', 'echo why >&2; exit 3']), {
    code: 'WEFT_CAPTURE',
    fields: { command: 'sh -c echo why >&2; exit 3', said: 'why', code: 3 },
  })
})

t.test('missing rights are told as such', async t => {
  const failing = tools.run('sh', ['-c', 'echo "Permission denied (you must be root)" >&2; exit 4'])
  await t.rejects(failing, { code: 'WEFT_CAPTURE', next: /CAP_NET_ADMIN/ })
})
