/** Tells the demo on the terminal: steps, real commands with their real output, and what was checked. */
export class Teller {
  #step = 0
  #passed = 0
  #failed = 0
  readonly #colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined
  readonly #columns = Math.max(60, process.stdout.columns || 100)

  step(title: string): void {
    this.#step += 1
    console.log(`\n${this.#paint('1', `${this.#step}. ${title}`)}`)
  }

  note(text: string): void {
    for (const line of wrapped(text, this.#columns - 3)) console.log(`   ${this.#paint('2', line)}`)
  }

  /** A command that was run, as one would type it, and what it printed. */
  command(where: string, command: string, output: string): void {
    const [first = '', ...rest] = wrapped(`${where}$ ${command}`, this.#columns - 3)
    console.log(`   ${this.#paint('36', first.slice(0, where.length + 1))}${first.slice(where.length + 1)}`)
    for (const line of rest) console.log(`   ${line}`)
    for (const line of output
      .trimEnd()
      .split('\n')
      .flatMap(one => wrapped(one, this.#columns - 5))) {
      console.log(line === '' ? '' : `     ${line}`)
    }
  }

  check(what: string, holds: boolean): void {
    if (holds) this.#passed += 1
    else this.#failed += 1
    const mark = holds ? this.#paint('32', '✓') : this.#paint('31', '✗ FAILED:')
    const [first = '', ...rest] = wrapped(what, this.#columns - 5)
    console.log([`   ${mark} ${first}`, ...rest.map(line => `     ${line}`)].join('\n'))
  }

  get failed(): boolean {
    return this.#failed > 0
  }

  /** The closing line. */
  end(): void {
    console.log(`\n${this.#passed} passed, ${this.#failed} failed`)
  }

  #paint(code: string, text: string): string {
    return this.#colour ? `\u001b[${code}m${text}\u001b[0m` : text
  }
}

/** Breaks a line between words where it is too long, what follows a little to the right; columns stay columns. */
function wrapped(line: string, columns: number): string[] {
  if (line.length <= columns) return [line]
  const at = line.lastIndexOf(' ', columns)
  const start = line.length - line.trimStart().length
  if (at <= start + 4) return [line]
  return [
    line.slice(0, at).trimEnd(),
    ...wrapped(`${' '.repeat(start === 0 ? 4 : start)}${line.slice(at).trimStart()}`, columns),
  ]
}
