import type { RegistrationRecord, RegistrationStore } from '../store.ts'
import type { Database } from './database.ts'
import { integer, numbersByName, type Row, text } from './row.ts'

/** What hosts registered themselves, by node and name. */
export function createSqliteRegistrations(database: Database): RegistrationStore {
  return {
    async list() {
      return database.all('SELECT * FROM registrations ORDER BY node, name').map(registrationOf)
    },
    async replace(node, registrations) {
      database.transaction(() => {
        database.run('DELETE FROM registrations WHERE node = ?', node)
        for (const one of registrations) {
          database.run(
            `INSERT INTO registrations (node, name, workload_group, address, ports, maintenance, since)
             VALUES (?, ?, ?, ?, ?, ?, ?)`,
            node,
            one.name,
            one.group,
            one.address,
            JSON.stringify(one.ports),
            one.maintenance,
            one.since,
          )
        }
      })
    },
  }
}

function registrationOf(row: Row): RegistrationRecord {
  return Object.freeze({
    node: text(row, 'node'),
    name: text(row, 'name'),
    group: text(row, 'workload_group'),
    address: text(row, 'address'),
    ports: numbersByName(row, 'ports'),
    maintenance: text(row, 'maintenance'),
    since: integer(row, 'since'),
  })
}
