/** A Markdown table (GitHub's form); cells may hold Markdown, bars in them are escaped. */
export function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const line = (cells: readonly string[]) => `| ${cells.map(cell => cell.replaceAll('|', '\\|')).join(' | ')} |`
  return [line(head), `|${head.map(() => '---').join('|')}|`, ...rows.map(line)].join('\n')
}

/** Text as code, or a dash where there is none. */
export function code(text: string): string {
  return text === '' ? '–' : `\`${text}\``
}

/** Angle brackets outside of code would be taken for HTML. */
export function prose(text: string): string {
  return text.replaceAll(/<[^<>]*>/g, placeholder => `\`${placeholder}\``)
}

const begin = /^<!-- generated: ([a-z-]+) -->$/

/**
 * Puts what is generated into a page: every `<!-- generated: name -->` is followed by its block and
 * `<!-- end -->`, whatever stood between them. Throws when the page has not exactly the given blocks.
 */
export function fillBlocks(page: string, blocks: Readonly<Record<string, string>>): string {
  const lines: string[] = []
  const used = new Set<string>()
  let skipping = false
  for (const line of page.split('\n')) {
    const name = begin.exec(line)?.[1]
    if (line === '<!-- end -->') skipping = false
    if (!skipping) lines.push(line)
    if (name === undefined) continue
    const block = blocks[name]
    if (block === undefined || used.has(name)) throw new Error(`the page has a block ${name} that it should not have`)
    used.add(name)
    lines.push('', block, '')
    skipping = true
  }
  const missing = Object.keys(blocks).filter(name => !used.has(name))
  if (missing.length > 0 || skipping) throw new Error(`the page lacks the blocks ${missing.join(', ') || 'an end'}`)
  return lines.join('\n')
}
