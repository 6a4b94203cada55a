import t from 'tap'
import { identitiesOf } from '../../../../agent/workload-api/entitlement.ts'
import type { CallerSelector } from '../../../../mesh/model/workload.ts'
import { aWorkload } from '../../../support/agent-config.ts'

const facts = {
  uidOf: async (user: string) => (user === 'web' ? 33 : undefined),
  uidsOf: (path: string) => new Set(path === 'system.slice/batch.service' ? [33] : []),
}
const workload = (identity: string, ...callers: CallerSelector[]) =>
  aWorkload({ id: `static/${identity}`, identity, callers })
const uid33 = { kind: 'uid', uid: 33 } as const
const cgroup = (path: string) => ({ kind: 'cgroup', path }) as const

t.test('gives the identities of the narrowest selectors that hold for a process', async t => {
  const all = [
    workload('web', { kind: 'user', user: 'web' }),
    workload('slice', cgroup('apps.slice')),
    workload('one', cgroup('/apps.slice/one.service')),
    workload('other', cgroup('apps.slice/one.service')),
    workload('nobody', { kind: 'user', user: 'nobody' }),
  ]
  const rows = [
    [33, '', ['web']],
    [33, 'apps.slice', ['slice']],
    [33, 'apps.slice/two.service', ['slice']],
    [0, 'apps.slice/one.service/child', ['one', 'other']],
    [33, 'apps.slice-of-others', ['web']],
    [0, '', []],
  ] as const
  for (const [uid, path, expected] of rows) t.same(await identitiesOf({ uid, cgroup: path }, all, facts), expected)
})

t.test('a user says nothing while processes of another workload’s cgroup run as it', async t => {
  const batch = workload('batch', cgroup('system.slice/batch.service'))
  t.same(await identitiesOf({ uid: 33, cgroup: 'user.slice' }, [workload('web', uid33), batch], facts), [])
  const same = workload('batch', uid33, cgroup('system.slice/batch.service'))
  t.same(await identitiesOf({ uid: 33, cgroup: 'user.slice' }, [same], facts), ['batch'])
})

t.test('workloads without an identity are nobody', async t => {
  const { identity: _, ...outside } = workload('web', uid33)
  t.same(await identitiesOf({ uid: 33, cgroup: '' }, [outside], facts), [])
})
