/**
 * Whose rules the messages of a connection follow. `h2`: RFC 9113, as agents speak it to tunnel connections. `weft`:
 * the same frames between two Weft agents that agreed on ALPN `weft/1`, where field names keep their case, `upgrade`
 * and `:status` 101 are allowed, and header blocks use the dynamic table both ways. `application`: RFC 9113 towards an
 * application, whose requests are judged more strictly (`app-request.ts`).
 */
export type Dialect = 'h2' | 'weft' | 'application'
