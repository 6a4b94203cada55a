import { readdirSync, readFileSync } from 'node:fs'

/** Every page of the documentation, by path. */
export function documentation(): ReadonlyMap<string, string> {
  const below = readdirSync('docs', { recursive: true, encoding: 'utf8' })
    .filter(name => name.endsWith('.md'))
    .map(name => `docs/${name}`)
  const paths = ['README.md', 'CONTRIBUTING.md', 'SECURITY.md', 'CHANGELOG.md', ...below.sort()]
  return new Map(paths.map(path => [path, readFileSync(path, 'utf8')]))
}

/** The rows of all tables whose first column has this head, each by the names of the columns. */
export function tableRows(page: string, firstHead: string): Record<string, string>[] {
  const rows: Record<string, string>[] = []
  let head: string[] | undefined
  for (const line of page.split('\n')) {
    const cells = line.startsWith('|') ? cellsOf(line) : undefined
    if (cells === undefined) head = undefined
    else if (head === undefined) head = cells
    else if (head[0] === firstHead && !cells.every(cell => /^:?-+:?$/.test(cell))) {
      const names = head
      rows.push(Object.fromEntries(cells.map((cell, at) => [names[at] ?? String(at), cell])))
    }
  }
  return rows
}

/** What stands as code in a page: blocks, line by line, and spans. */
export function codeOf(page: string): string[] {
  const blocks = [...page.matchAll(/^```[^\n]*\n(.*?)^```/gms)].flatMap(match => (match[1] ?? '').split('\n'))
  const rest = page.replaceAll(/^```[^\n]*\n.*?^```/gms, '')
  return [...blocks, ...[...rest.matchAll(/`([^`]+)`/g)].map(match => (match[1] ?? '').replaceAll('\n', ' '))]
}

function cellsOf(line: string): string[] {
  return line
    .replace(/^\||\|$/g, '')
    .split(/(?<!\\)\|/)
    .map(cell => cell.trim())
}
