/**
 * Ports whose protocols let the server speak first, or that no detection should touch: SSH, FTP, SMTP and its
 * submission, POP3, IMAP, VNC, MySQL and its group replication, PostgreSQL, Redis, Elasticsearch's transport, memcached
 * (features O5, O8, 2.7).
 */
const ports: ReadonlySet<number> = new Set([21, 22, 25, 110, 143, 587, 3306, 4444, 5432, 5900, 6379, 9300, 11211])

/** Whether a port that nobody declared is to be carried as it is, because a client may wait for the server. */
export function isServerFirst(port: number): boolean {
  return ports.has(port)
}
