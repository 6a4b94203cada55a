import { chmodSync } from 'node:fs'
import t from 'tap'
import { loadServerConfig } from '../../../server/config.ts'
import { refuseOpenSecrets } from '../../../server/secret-files.ts'

t.test('a file with a secret that everybody can read or change is named, whatever setting names it', t => {
  const folder = t.testdir({ pass: 'x', token: 'x', key: 'x', ca: 'x' })
  const registries = JSON.stringify([
    { name: 'dc', kind: 'consul', address: 'http://127.0.0.1:8500', tokenFile: `${folder}/token` },
    {
      name: 'nomad',
      kind: 'nomad',
      address: 'https://127.0.0.1:4646',
      keyFile: `${folder}/key`,
      certFile: `${folder}/ca`,
    },
  ])
  const env = { WEFT_SERVER_PASSPHRASE_FILE: `${folder}/pass`, WEFT_SERVER_REGISTRIES: registries }
  const config = loadServerConfig({ env, flags: {} })
  const secrets = ['pass', 'token', 'key']
  const close = () => {
    for (const name of secrets) chmodSync(`${folder}/${name}`, 0o640)
  }
  close()
  chmodSync(`${folder}/ca`, 0o644)
  t.doesNotThrow(() => refuseOpenSecrets(config), 'a group may read them, and certificates are no secret')
  for (const name of secrets) {
    for (const mode of [0o644, 0o602, 0o666]) {
      chmodSync(`${folder}/${name}`, mode)
      t.throws(
        () => refuseOpenSecrets(config),
        {
          code: 'WEFT_STATE_CORRUPT',
          fields: { path: `${folder}/${name}`, mode: mode.toString(8) },
          next: /chmod o-rw/,
        },
        name,
      )
    }
    close()
  }
  t.doesNotThrow(() =>
    refuseOpenSecrets(loadServerConfig({ env: { WEFT_SERVER_PASSPHRASE_FILE: '/none' }, flags: {} })),
  )
  t.end()
})
