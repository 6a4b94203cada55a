import { createHash } from 'node:crypto'
import t from 'tap'
import { formatJoinToken, hashSecret, newJoinSecret, parseJoinToken } from '../../../../mesh/identity/join-token.ts'

const rootHash = 'ab'.repeat(32)

t.test('carries node, secret and root hash in one word', t => {
  const token = { node: 'vm-17', secret: newJoinSecret(), rootHash }
  const text = formatJoinToken(token)
  t.match(text, /^weft1_[A-Za-z0-9_-]+$/)
  t.same(parseJoinToken(text), token)
  t.end()
})

t.test('makes secrets of 32 random bytes and keeps only their hash', t => {
  const [one, other] = [newJoinSecret(), newJoinSecret()]
  t.equal(Buffer.from(one, 'base64url').length, 32)
  t.not(one, other)
  t.equal(hashSecret(one), createHash('sha256').update(one).digest('hex'))
  t.end()
})

t.test('refuses a token that is cut short, altered or extended, and never quotes it', t => {
  const secret = newJoinSecret()
  const text = formatJoinToken({ node: 'vm', secret, rootHash })
  const encode = (value: unknown) => `weft1_${Buffer.from(JSON.stringify(value)).toString('base64url')}`
  const wrong = [
    '',
    'weft1_',
    text.slice(0, -1),
    text.slice(1),
    `${text}A`,
    `${text}=`,
    ` ${text}`,
    `${text}\n`,
    text.replace('weft1_', 'weft2_'),
    text.toUpperCase(),
    encode(null),
    encode([]),
    encode({ node: 'vm', secret, root: rootHash, more: 1 }),
    encode({ secret, node: 'vm', root: rootHash }),
    encode({ node: 'vm', secret, root: rootHash.toUpperCase() }),
    encode({ node: 'vm', secret: 'short', root: rootHash }),
    encode({ node: 'a b', secret, root: rootHash }),
    encode({ node: 7, secret, root: rootHash }),
    `weft1_${Buffer.from(`{"node":"evil","node":"vm","secret":"${secret}","root":"${rootHash}"}`).toString('base64url')}`,
    `weft1_${'A'.repeat(5000)}`,
  ]
  for (const token of wrong) {
    t.throws(() => parseJoinToken(token), { name: 'MeshError', code: 'WEFT_TOKEN_REFUSED' }, token.slice(0, 40))
    try {
      parseJoinToken(token)
    } catch (error) {
      t.notOk(JSON.stringify(error, Object.getOwnPropertyNames(error)).includes(secret))
    }
  }
  t.end()
})
