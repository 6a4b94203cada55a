import { mkdir, mkdtemp, rename, rm, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { createStaticAdapter } from '../../registry-adapters/static/static-adapter.ts'
import type { RegistryAdapterSuite, RegistryDriver } from '../compliance/registry-adapter.ts'

/** How files are named to the adapter: one directory, or a pattern for files in folders below it. */
export type StaticForm = 'directory' | 'pattern'

/** The compliance suite on a registry of files. */
export function staticSuite(form: StaticForm): RegistryAdapterSuite {
  return {
    setup: () => startStaticDriver(form),
    cannot: {
      stall: 'a local file system answers, and what a remote one takes long for is waited for by nobody else',
      staleRead: 'files have one state',
    },
    strict: true,
    // a debounce time of the adapter below
    viewEveryMs: 10,
  }
}

/** A registry of files, changed as an editor does: written beside, then renamed. */
async function startStaticDriver(form: StaticForm): Promise<RegistryDriver> {
  const parent = await mkdtemp(join(tmpdir(), 'weft-static-'))
  const directory = await mkdtemp(join(parent, 'registry-'))
  const aside = `${directory}.away`
  const named = form === 'directory' ? { directory } : { files: [join(directory, '**/*.yaml')] }
  const texts = new Map<string, string | Buffer>()
  /** Files that are broken on purpose. */
  const broken = new Set<string>()
  let drafts = 0

  const pathOf = (name: string) => join(directory, form === 'directory' ? '' : (name.split('-')[0] ?? ''), name)
  const write = async (name: string, text: string | Buffer) => {
    drafts += 1
    const path = pathOf(name)
    const draft = join(dirname(path), `.${name}.${drafts}`)
    await mkdir(dirname(path), { recursive: true })
    await writeFile(draft, text)
    await rename(draft, path)
  }
  const put = async (name: string, text: string) => {
    texts.set(name, text)
    await write(name, text)
  }
  const spoil = async (change: (text: string) => string | Buffer) => {
    for (const [name, text] of texts) {
      broken.add(name)
      await write(name, change(String(text)))
    }
  }
  return {
    adapter: deps => createStaticAdapter(deps, { ...named, debounceMs: 10, rereadMs: 200, retryMs: 20 }),
    async put({ id, service, address, port }) {
      await put(`service-${service}.yaml`, `services: [{ name: ${service}, ports: { http: ${port} } }]\n`)
      await put(`${id}.yaml`, `workloads: [{ name: ${id}, address: ${address}, services: { ${service}: ${port} } }]\n`)
    },
    async remove(id) {
      texts.delete(`${id}.yaml`)
      await rm(pathOf(`${id}.yaml`))
    },
    putBad: id => put(`${id}.yaml`, 'workloads: [{ name: x, adress: 10.0.0.1 }]\n'),
    async touch() {
      await write('notes.txt', 'not a registry file')
      await utimes(directory, new Date(), new Date())
    },
    fail: () => rename(directory, aside),
    async heal() {
      if (broken.size === 0) return rename(aside, directory)
      for (const name of broken) await write(name, texts.get(name) ?? '')
      broken.clear()
    },
    stop: () => rm(parent, { recursive: true, force: true }),
    faults: {
      emptyAnswer: () => spoil(() => ''),
      halfAnswer: () => spoil(text => text.slice(0, text.length / 2)),
      garbage: () => spoil(text => Buffer.from(text, 'utf16le').fill(0xff, 0, 9)),
      async putHuge({ id, service, address, port }) {
        await put(`service-${service}.yaml`, `services: [{ name: ${service}, ports: { http: ${port} } }]\n`)
        const [name, huge] = [`${id}.yaml`, 'x'.repeat(1_000_000)]
        const services = `services: { ${service}: ${port} }`
        await put(name, `workloads: [{ name: ${id}, address: ${address}, ${services}, labels: { a: ${huge} } }]\n`)
      },
      putTwice: ({ id, service, port }, address) =>
        put(
          `${id}.again.yaml`,
          `workloads: [{ name: ${id}, address: ${address}, services: { ${service}: ${port} } }]\n`,
        ),
    },
  }
}
