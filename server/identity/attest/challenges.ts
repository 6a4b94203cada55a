import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

/** Challenges that hosts sign; nothing is kept of those that are given out. */
export interface Challenges {
  create(now: number): string
  /** Until when it is good, milliseconds since 1970; undefined when it is not of this server, or too old. */
  check(challenge: string, now: number): number | undefined
}

const lifeMs = 60_000

/** A random number and the time, with a MAC by a key that this server forgets when it ends. */
export function createChallenges(): Challenges {
  const key = randomBytes(32)
  const macOf = (text: string) => createHmac('sha256', key).update(text).digest()
  return {
    create(now) {
      const text = `${randomBytes(16).toString('hex')}.${now}`
      return `${text}.${macOf(text).toString('hex')}`
    },
    check(challenge, now) {
      const [, text = '', time = '', mac = ''] = /^([0-9a-f]{32}\.(\d{1,16}))\.([0-9a-f]{64})$/.exec(challenge) ?? []
      if (mac === '' || !timingSafeEqual(Buffer.from(mac, 'hex'), macOf(text))) return undefined
      const expiresAt = Number(time) + lifeMs
      return now < expiresAt && Number(time) <= now + lifeMs ? expiresAt : undefined
    },
  }
}
