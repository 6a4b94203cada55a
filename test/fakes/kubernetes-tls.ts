import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** An authority with a certificate for servers on 127.0.0.1 and for clients, in files and as PEM. */
export interface TestCertificates {
  readonly files: { readonly ca: string; readonly cert: string; readonly key: string }
  readonly ca: string
  readonly cert: string
  readonly key: string
}

/** Makes an authority and a certificate of it with openssl, in a folder. */
export function makeCertificates(folder: string): TestCertificates {
  const file = (name: string) => join(folder, name)
  const openssl = (command: string) => execFileSync('openssl', command.split(' '), { stdio: 'pipe' })
  const newKey = '-newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes'
  openssl(`req -x509 ${newKey} -keyout ${file('ca.key')} -out ${file('ca.pem')} -days 2 -subj /CN=kubernetes-ca`)
  openssl(`req ${newKey} -keyout ${file('key.pem')} -out ${file('csr.pem')} -subj /CN=kube-apiserver`)
  writeFileSync(file('ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth,clientAuth\n')
  const signed = `-CA ${file('ca.pem')} -CAkey ${file('ca.key')} -CAcreateserial -days 2 -extfile ${file('ext')}`
  openssl(`x509 -req -in ${file('csr.pem')} ${signed} -out ${file('cert.pem')}`)
  const files = { ca: file('ca.pem'), cert: file('cert.pem'), key: file('key.pem') }
  const read = (name: string) => readFileSync(name, 'utf8')
  return { files, ca: read(files.ca), cert: read(files.cert), key: read(files.key) }
}
