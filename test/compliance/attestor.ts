import type { Test } from 'tap'
import {
  type AttestContext,
  type Attestor,
  type Evidence,
  maxEvidenceBytes,
} from '../../server/identity/attest/attestor.ts'

/** An attestor with what it takes and what it must not take. */
export interface AttestorSubject {
  readonly attestor: Attestor
  /** Good at {@link AttestorSubject.now}; another piece each time. */
  good(): Promise<Evidence> | Evidence
  /** Milliseconds since 1970. */
  readonly now: number
  /** The node that the good evidence is of, or for. */
  readonly node: string
  /** When good evidence is no good any more; absent where the issuer is asked instead. */
  readonly tooLate?: number
  /** Each must be refused, by name. */
  readonly bad: Readonly<Record<string, () => Promise<Evidence> | Evidence>>
}

/** Makes what is asked of each kind: forged, wrong-audience and others by hand, the rest here. */
export function attestorCompliance(t: Test, open: (t: Test) => Promise<AttestorSubject>): void {
  const refused = { name: 'MeshError', code: 'WEFT_EVIDENCE_REFUSED' }
  const scenario = (title: string, run: (t: Test, subject: AttestorSubject) => Promise<void>) =>
    t.test(title, async t => run(t, await open(t)))

  scenario('takes good evidence, says what it proves, and by which proof it is known again', async (t, subject) => {
    const { kind, grade, node, instance, claims, proof, repeated } = await attest(subject, await subject.good())
    t.ok(grade >= 2 && grade <= 5, `grade ${grade}`)
    t.ok(node === undefined || node === subject.node, 'of the node that it is of')
    t.ok(Object.values(claims).every(value => typeof value === 'string'))
    if (kind === 'join-token') {
      t.equal(repeated, false)
      return
    }
    t.not(instance, '', 'a machine that can be told from others')
    t.ok(proof !== undefined && proof.expiresAt > subject.now, 'a proof to be remembered')
  })

  scenario('gives the same proof for the same evidence', async (t, subject) => {
    const evidence = await subject.good()
    if (evidence.kind === 'join-token') return
    const first = await attest(subject, evidence)
    t.same((await attest(subject, evidence)).proof, first.proof)
  })

  scenario('refuses what is forged or for somebody else', async (t, subject) => {
    for (const [name, make] of Object.entries(subject.bad)) {
      await t.rejects(attest(subject, await make()), refused, name)
    }
  })

  scenario('refuses evidence of another time', async (t, subject) => {
    if (subject.tooLate === undefined) return
    const evidence = await subject.good()
    await t.rejects(attest(subject, evidence, { now: subject.tooLate }), refused)
  })

  scenario('refuses what is empty, too large, or cut off anywhere', async (t, subject) => {
    const { kind, payload } = await subject.good()
    for (const text of ['', 'x', '{}', 'a.b.c', '..', 'x'.repeat(maxEvidenceBytes + 1)]) {
      await t.rejects(attest(subject, { kind, payload: text }), refused, text.slice(0, 10))
    }
    const step = Math.max(1, Math.floor(payload.length / 40))
    for (let end = 0; end < payload.length - 2; end += step) {
      await t.rejects(attest(subject, { kind, payload: payload.slice(0, end) }), refused, `the first ${end}`)
    }
  })

  scenario('learns nothing else from evidence in which anything was changed', async (t, subject) => {
    const { kind, payload } = await subject.good()
    const proved = kind === 'join-token' ? undefined : await attest(subject, { kind, payload })
    const step = Math.max(1, Math.floor(payload.length / 40))
    // the last character of base64 may hold bits that mean nothing
    for (let at = 0; at < payload.length - 2; at += step) {
      const other = payload[at] === 'A' ? 'B' : 'A'
      const changed = { kind, payload: `${payload.slice(0, at)}${other}${payload.slice(at + 1)}` }
      const outcome = await attest(subject, changed).catch((error: unknown) => error)
      // signed data has parts around what is signed
      if (outcome instanceof Error) t.match(outcome, refused, `at ${at}`)
      else t.same(outcome, proved, `at ${at}`)
    }
  })

  scenario('does not begin when nobody waits any more', async (t, subject) => {
    const evidence = await subject.good()
    const reason = new Error('nobody waits')
    await t.rejects(attest(subject, evidence, { signal: AbortSignal.abort(reason) }), reason)
    t.ok(await attest(subject, evidence), 'and it is as good as before')
  })
}

function attest({ attestor, now, node }: AttestorSubject, evidence: Evidence, more: Partial<AttestContext> = {}) {
  const context: AttestContext = { node, keyHash: 'k', now, signal: new AbortController().signal, ...more }
  return attestor.attest(evidence, context)
}
