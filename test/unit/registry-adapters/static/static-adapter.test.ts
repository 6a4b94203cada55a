import { mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { createStaticAdapter } from '../../../../registry-adapters/static/static-adapter.ts'
import { type RegistryDriver, testRegistryAdapter } from '../../../compliance/registry-adapter.ts'

/** A registry of files, changed as an editor does: written beside, then renamed. */
async function setup(): Promise<RegistryDriver> {
  const parent = await mkdtemp(join(tmpdir(), 'weft-static-'))
  const directory = await mkdtemp(join(parent, 'registry-'))
  const aside = `${directory}.away`
  let files = 0
  const write = async (name: string, text: string) => {
    files += 1
    const draft = join(directory, `.${name}.${files}`)
    await writeFile(draft, text)
    await rename(draft, join(directory, name))
  }
  return {
    adapter: deps => createStaticAdapter(deps, { directory, debounceMs: 10, rereadMs: 200, retryMs: 20 }),
    async put({ id, service, address, port }) {
      await write(`service-${service}.yaml`, `services: [{ name: ${service}, ports: { http: ${port} } }]\n`)
      await write(`${id}.yaml`, `workloads: [{ name: ${id}, address: ${address}, services: { ${service}: ${port} } }]\n`)
    },
    remove: id => rm(join(directory, `${id}.yaml`)),
    putBad: id => write(`${id}.yaml`, 'workloads: [{ name: x, adress: 10.0.0.1 }]\n'),
    async touch() {
      await write('notes.txt', 'not a registry file')
      await utimes(directory, new Date(), new Date())
    },
    fail: () => rename(directory, aside),
    heal: () => rename(aside, directory),
    stop: () => rm(parent, { recursive: true, force: true }),
  }
}

t.test('the static adapter keeps the promises of every adapter', t => testRegistryAdapter(t, { setup }))
