import { z } from 'zod'
import { refuseUnimplemented, unimplemented } from './primitives.ts'

const version = z.enum(['TLS_AUTO', 'TLSV1_0', 'TLSV1_1', 'TLSV1_2', 'TLSV1_3'])

/** Those that Istio takes, by their names in OpenSSL; TLS 1.3 has its own. */
const cipherSuites = [
  'ECDHE-ECDSA-AES128-GCM-SHA256',
  'ECDHE-RSA-AES128-GCM-SHA256',
  'ECDHE-ECDSA-AES256-GCM-SHA384',
  'ECDHE-RSA-AES256-GCM-SHA384',
  'ECDHE-ECDSA-CHACHA20-POLY1305',
  'ECDHE-RSA-CHACHA20-POLY1305',
  'ECDHE-ECDSA-AES128-SHA',
  'ECDHE-RSA-AES128-SHA',
  'ECDHE-ECDSA-AES256-SHA',
  'ECDHE-RSA-AES256-SHA',
  'AES128-GCM-SHA256',
  'AES256-GCM-SHA384',
  'AES128-SHA',
  'AES256-SHA',
] as const

const fileOfCredential = unimplemented('named credentials of ports; name the files')

/** How callers outside the mesh speak TLS to a port (networking.istio.io/v1 gateway.proto, ServerTLSSettings). */
export const serverTls = z
  .strictObject({
    mode: z.enum(['PASSTHROUGH', 'SIMPLE', 'MUTUAL', 'OPTIONAL_MUTUAL']).optional(),
    serverCertificate: z.string().optional(),
    privateKey: z.string().optional(),
    caCertificates: z.string().optional(),
    caCrl: z.string().optional(),
    minProtocolVersion: version
      .superRefine((least, context) => {
        const isOld = least === 'TLSV1_0' || least === 'TLSV1_1'
        if (isOld) refuseUnimplemented(context, 'TLS before 1.2, which nobody may rely on (RFC 8996)')
      })
      .optional(),
    maxProtocolVersion: version.optional(),
    cipherSuites: z.array(z.enum(cipherSuites)).optional(),
    httpsRedirect: unimplemented('redirecting callers to https'),
    credentialName: fileOfCredential,
    credentialNames: fileOfCredential,
    caCertCredentialName: fileOfCredential,
    tlsCertificates: unimplemented('several certificates of a port'),
    subjectAltNames: unimplemented('names that callers outside the mesh must have'),
    verifyCertificateSpki: unimplemented('keys that callers outside the mesh must have'),
    verifyCertificateHash: unimplemented('certificates that callers outside the mesh must have'),
    insecureSkipVerify: unimplemented('certificates of callers that nobody verifies'),
  })
  .superRefine((tls, context) => {
    const { mode = 'PASSTHROUGH' } = tls
    if (mode === 'PASSTHROUGH') return
    const isMutual = mode !== 'SIMPLE'
    const needed = ['serverCertificate', 'privateKey', ...(isMutual ? (['caCertificates'] as const) : [])] as const
    for (const field of needed) {
      if (!tls[field]) context.addIssue({ code: 'custom', message: `is required with mode: ${mode}`, path: [field] })
    }
    const { minProtocolVersion: least, maxProtocolVersion: most } = tls
    if (most === 'TLSV1_0' || most === 'TLSV1_1' || (least === 'TLSV1_3' && most === 'TLSV1_2')) {
      context.addIssue({ code: 'custom', message: 'leaves no version', path: ['maxProtocolVersion'] })
    }
  })
