/** Tells the demo on the terminal: steps, real commands with their real output, and what was checked. */
export class Teller {
  #step = 0
  #passed = 0
  #failed = 0
  readonly #colour = process.stdout.isTTY === true && process.env.NO_COLOR === undefined

  step(title: string): void {
    this.#step += 1
    console.log(`\n${this.#paint('1', `${this.#step}. ${title}`)}`)
  }

  note(text: string): void {
    console.log(this.#paint('2', `   ${text}`))
  }

  /** A command that was run, as one would type it, and what it printed. */
  command(where: string, command: string, output: string): void {
    console.log(`   ${this.#paint('36', `${where}$`)} ${command}`)
    for (const line of output.trimEnd().split('\n')) if (line !== '') console.log(`   ${line}`)
  }

  check(what: string, holds: boolean): void {
    if (holds) this.#passed += 1
    else this.#failed += 1
    console.log(holds ? `   ${this.#paint('32', '✓')} ${what}` : `   ${this.#paint('31', '✗ FAILED:')} ${what}`)
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
