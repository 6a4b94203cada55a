import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'

/** A certificate with its key, PEM, made by the real openssl. */
export interface MadeCertificate {
  readonly certificate: string
  readonly key: string
}

export interface CertificateOptions {
  readonly name: string
  readonly issuer?: MadeCertificate
  /** Lines of an extension section. */
  readonly extensions: readonly string[]
  /** As `openssl genpkey` takes it: `RSA` or `EC`. */
  readonly algorithm?: 'RSA' | 'EC'
  readonly bits?: number
  readonly days?: number
}

/** The command of that name in a folder of its own. */
export function openssl(t: Test) {
  const folder = mkdtempSync(join(tmpdir(), 'weft-openssl-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  let count = 0
  const file = (content: string | Buffer = '') => {
    count += 1
    const path = join(folder, String(count))
    writeFileSync(path, content)
    return path
  }
  const run = (...args: string[]) => execFileSync('openssl', args, { stdio: ['ignore', 'pipe', 'pipe'] })
  return {
    certificate({ name, issuer, extensions, algorithm = 'RSA', bits = 2048, days = 30 }: CertificateOptions) {
      const key = file()
      const how = algorithm === 'RSA' ? `rsa_keygen_bits:${bits}` : 'ec_paramgen_curve:P-256'
      run('genpkey', '-algorithm', algorithm, '-pkeyopt', how, '-out', key)
      const request = file()
      run('req', '-new', '-key', key, '-subj', `/CN=${name}`, '-out', request)
      const by =
        issuer === undefined
          ? ['-signkey', key]
          : ['-CA', file(issuer.certificate), '-CAkey', file(issuer.key), '-set_serial', String(1000 + count)]
      const out = file()
      const sections = file(extensions.join('\n'))
      run('x509', '-req', '-in', request, ...by, '-days', String(days), '-extfile', sections, '-out', out)
      return { certificate: readFileSync(out, 'utf8'), key: readFileSync(key, 'utf8') } satisfies MadeCertificate
    },
    /** Signed data with its content, base64. */
    sign(content: string, signer: MadeCertificate, ...args: string[]): string {
      const out = file()
      const by = ['-signer', file(signer.certificate), '-inkey', file(signer.key)]
      run('cms', '-sign', '-binary', '-nodetach', '-outform', 'DER', '-in', file(content), ...by, '-out', out, ...args)
      return readFileSync(out).toString('base64')
    },
    file,
  }
}

/** Extensions of an authority. */
export const ofAuthority = ['basicConstraints=critical,CA:TRUE', 'keyUsage=critical,keyCertSign,cRLSign']
