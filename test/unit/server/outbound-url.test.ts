import fc from 'fast-check'
import t from 'tap'
import { hasCode } from '../../../mesh/std/errors.ts'
import { createOutboundUrls, parseAllowed } from '../../../server/outbound-url.ts'

const { signal } = new AbortController()

function guard(allow: readonly string[] = [], names: Readonly<Record<string, readonly string[]>> = {}) {
  return createOutboundUrls({
    allow,
    lookup: async host => names[host] ?? [],
    isOwn: (address, port) => address === '10.0.0.5' && port === 15443,
  })
}

async function reasonOf(url: string, urls = guard()): Promise<string> {
  try {
    const { addresses } = await urls.resolve(url, signal)
    return addresses.map(({ address }) => address).join(' ')
  } catch (error) {
    if (!(error instanceof Error) || !hasCode(error, 'WEFT_URL_REFUSED')) throw error
    return error.message
  }
}

t.test('refuses URLs that lead to what only this host, its link or its cloud may reach', async t => {
  const refused: Readonly<Record<string, readonly string[]>> = {
    'a loopback address': ['127.0.0.1', '127.8.9.1:8080', '[::1]', '[0:0:0:0:0:0:0:1]'],
    'an unspecified address': ['0.0.0.0', '0.1.2.3', '[::]'],
    'a link-local address': ['169.254.1.1', '[fe80::1]', '[febf::1]', '[fec0::1]'],
    'a cloud metadata address': [
      '169.254.169.254',
      '[fd00:ec2::254]',
      '[fd20:ce::254]',
      '168.63.129.16',
      '100.100.100.200',
    ],
    'a multicast address': ['224.0.0.1', '239.255.255.250', '[ff02::1]'],
    'a reserved address': ['240.240.0.1', '255.255.255.255', '[100::1]'],
    'an address that hides another one': [
      '[::ffff:127.0.0.1]',
      '[::ffff:10.0.0.1]',
      '[::127.0.0.1]',
      '[::ffff:0:127.0.0.1]',
      '[64:ff9b::7f00:1]',
      '[64:ff9b:1::a9fe:a9fe]',
      '[2002:7f00:1::]',
      '[2001:0:7f00:1::]',
    ],
    'a port of this server': ['10.0.0.5:15443'],
  }
  for (const [what, hosts] of Object.entries(refused)) {
    for (const host of hosts) {
      t.equal(await reasonOf(`https://${host}/keys`), `the URL leads to ${what}`, host)
    }
  }
})

t.test('refuses addresses in other spellings, whatever they are', async t => {
  const spellings = [
    '2130706433',
    '0x7f000001',
    '0177.0.0.1',
    '127.1',
    '0x7f.1',
    '１２７.0.0.1',
    '127.0.0.1.',
    '167772161',
    '010.0.0.1',
  ]
  for (const host of spellings) {
    t.equal(await reasonOf(`http://${host}/`), 'the URL leads to an address that is not written plainly', host)
  }
})

t.test('no spelling of a forbidden address is let through', async () => {
  const octet = fc.nat(255)
  const inside = fc.tuple(fc.constantFrom([127], [169, 254], [0], [224], [255]), octet, octet, octet)
  const hex = (value: number) => value.toString(16)
  const spellings: readonly ((a: number, b: number, c: number, d: number) => string)[] = [
    (a, b, c, d) => `${a}.${b}.${c}.${d}`,
    (a, b, c, d) => String(((a * 256 + b) * 256 + c) * 256 + d),
    (a, b, c, d) => `0x${hex(a)}.0${b.toString(8)}.${c * 256 + d}`,
    (a, b, c, d) => `${a}.${b * 65536 + c * 256 + d}`,
    (a, b, c, d) => `%3${Math.floor(a / 100)}${String(a).slice(1)}.${b}.${c}.${d}`,
    (a, b, c, d) => `[::ffff:${a}.${b}.${c}.${d}]`,
    (a, b, c, d) => `[::${a}.${b}.${c}.${d}]`,
    (a, b, c, d) => `[0:0:0:0:0:FFFF:${hex(a * 256 + b)}:${hex(c * 256 + d)}]`,
    (a, b, c, d) => `[64:ff9b::${a}.${b}.${c}.${d}]`,
    (a, b, c, d) => `[2002:${hex(a * 256 + b)}:${hex(c * 256 + d)}::1]`,
  ]
  const url = fc
    .tuple(inside, fc.constantFrom(...spellings), fc.constantFrom('', ':80', ':8443'))
    .map(([[start, ...rest], spell, port]) => {
      const [a = 0, b = 0, c = 0, d = 0] = [...start, ...rest]
      return `http://${spell(a, b, c, d)}${port}/`
    })
  await fc.assert(
    fc.asyncProperty(url, async text => /^(?:the URL leads to|not a URL)/.test(await reasonOf(text))),
    { numRuns: 2000 },
  )
})

t.test('refuses what is no plain http or https URL', async t => {
  for (const url of ['', 'keys', '//idp/keys', 'http://']) t.equal(await reasonOf(url), 'not a URL', url)
  for (const url of ['file:///etc/passwd', 'ftp://idp/', 'data:,x', 'gopher://idp/', 'unix:/run/x']) {
    t.equal(await reasonOf(url), 'the URL leads to a scheme other than http and https', url)
  }
  for (const url of ['http://u@idp/', 'https://u:p@idp/', 'http://idp@127.0.0.1/']) {
    t.equal(await reasonOf(url), 'the URL leads to a user', url)
  }
})

t.test('judges a name by all of its addresses, and pins those', async t => {
  const names = {
    idp: ['10.0.0.7', '2001:db8::7'],
    rebind: ['10.0.0.7', '127.0.0.1'],
    'metadata.google.internal': ['169.254.169.254'],
    localhost: ['127.0.0.1'],
    own: ['10.0.0.5'],
  }
  const urls = guard([], names)
  t.equal(await reasonOf('https://idp/keys', urls), '10.0.0.7 2001:db8::7')
  t.equal(await reasonOf('https://IDP./keys', urls), '10.0.0.7 2001:db8::7')
  t.equal(await reasonOf('https://rebind/', urls), 'the URL leads to a loopback address')
  t.equal(await reasonOf('http://metadata.google.internal/', urls), 'the URL leads to a cloud metadata address')
  t.equal(await reasonOf('http://localhost/', urls), 'the URL leads to a loopback address')
  t.equal(await reasonOf('https://own:15443/', urls), 'the URL leads to a port of this server')
  t.equal(await reasonOf('https://own/', urls), '10.0.0.5')
  await t.rejects(urls.resolve('https://nowhere/', signal), { code: 'WEFT_URL_UNAVAILABLE' })
})

t.test('what the operator of the server allows may be fetched', async t => {
  const names = { idp: ['127.0.0.1'], other: ['127.0.0.1'], mapped: ['::ffff:127.0.0.1'] }
  t.equal(await reasonOf('http://idp/', guard(['idp'], names)), '127.0.0.1')
  t.equal(await reasonOf('http://other/', guard(['idp'], names)), 'the URL leads to a loopback address')
  t.equal(await reasonOf('http://other/', guard(['127.0.0.0/8'], names)), '127.0.0.1')
  t.equal(await reasonOf('http://[::1]/', guard(['::1'])), '::1')
  t.equal(await reasonOf('http://127.0.0.2/', guard(['127.0.0.1'])), 'the URL leads to a loopback address')
  t.equal(
    await reasonOf('http://mapped/', guard(['mapped'], names)),
    'the URL leads to an address that hides another one',
  )
  t.equal(
    await reasonOf('http://2130706433/', guard(['127.0.0.1'])),
    'the URL leads to an address that is not written plainly',
  )
})

t.test('an allow list with anything else in it is refused', t => {
  for (const text of ['', 'http://idp', '10.0.0.0/33', '10.0.0/8', 'a b', '*.idp', 'x'.repeat(300)]) {
    t.throws(() => parseAllowed([text]), TypeError, text)
  }
  t.doesNotThrow(() => parseAllowed(['idp.example', 'IDP', '10.0.0.0/8', '::1', 'fd00::/8', '10.0.0.1']))
  t.end()
})
