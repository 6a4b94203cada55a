import t from 'tap'
import { identityOfCgroup } from '../../../../agent/dataplane/caller.ts'

t.test('the narrowest declared cgroup at or above the socket’s own decides', async t => {
  const declared = new Map([
    ['system.slice/api.service', 'api'],
    ['system.slice/api.service/worker', 'worker'],
  ])
  const cases: readonly (readonly [string, string | undefined])[] = [
    ['system.slice/api.service', 'api'],
    ['system.slice/api.service/other', 'api'],
    ['system.slice/api.service/worker/1', 'worker'],
    ['system.slice/api.service-evil', undefined],
    ['system.slice', undefined],
    ['', undefined],
  ]
  for (const [path, expected] of cases) t.equal(identityOfCgroup(path, declared), expected, path)
})
