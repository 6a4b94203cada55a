/**
 * The ASN.1 layer of node-forge alone. Its entry point would load every cipher it has (13 MB, 60 ms); this file is
 * loaded in each data thread.
 */
declare module 'node-forge/lib/asn1.js' {
  /** One element. `value` is a binary string (one char a byte), or the elements within when constructed. */
  export interface Asn1 {
    readonly tagClass: number
    readonly type: number
    readonly constructed: boolean
    readonly value: string | Asn1[]
  }

  interface DecodeOptions {
    readonly strict: boolean
    readonly parseAllBytes: boolean
    readonly decodeBitStrings: boolean
    readonly maxDepth: number
  }

  const asn1: {
    create(tagClass: number, type: number, constructed: boolean, value: string | Asn1[]): Asn1
    fromDer(bytes: string, options: DecodeOptions): Asn1
    toDer(element: Asn1): { getBytes(): string }
    oidToDer(oid: string): { getBytes(): string }
    derToOid(bytes: string): string
  }
  export default asn1
}
