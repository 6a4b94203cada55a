import { mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { maxFlows } from '../../mesh/flows/flow.ts'
import { describeError } from '../../mesh/std/errors.ts'
import type { Log } from '../../mesh/std/log.ts'
import { Fields } from '../../mesh/wire/fields.ts'
import { plainFlow, readFlow } from '../../mesh/wire/flow-codec.ts'
import type { NodeFlows } from './flow-store.ts'

/** Flows on disk: a file for each node. */
export interface FlowFiles {
  read(): Promise<readonly NodeFlows[]>
  /** Replaces the node's file in one step; nothing to write removes it. */
  write(node: string, flows: NodeFlows | undefined): Promise<void>
}

const ending = '.json'

/** Files in `directory`, which is made when it is not there; nobody but us may read them. */
export function flowFiles(directory: string, log: Log): FlowFiles {
  return {
    async read() {
      await mkdir(directory, { recursive: true, mode: 0o700 })
      const found: NodeFlows[] = []
      for (const name of await readdir(directory)) {
        if (!name.endsWith(ending)) continue
        try {
          found.push(readFlows(await readFile(join(directory, name), 'utf8'), name))
        } catch (error) {
          log.warn('calls that were seen cannot be read, they are begun anew', {
            file: name,
            error: describeError(error),
          })
        }
      }
      return found
    },
    async write(node, flows) {
      const path = join(directory, `${encodeURIComponent(node)}${ending}`)
      if (flows === undefined) return rm(path, { force: true })
      // observations, not state that must outlive a power cut: no flush
      await writeFile(`${path}.new`, JSON.stringify({ ...flows, flows: flows.flows.map(plainFlow) }), { mode: 0o600 })
      await rename(`${path}.new`, path)
    },
  }
}

function readFlows(text: string, name: string): NodeFlows {
  const fields = new Fields(JSON.parse(text), name)
  return {
    node: fields.name('node'),
    since: fields.integer('since'),
    flows: fields.messages('flows', maxFlows, readFlow),
  }
}
