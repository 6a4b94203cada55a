import { type Document, isMap, isNode, isScalar, LineCounter, parseDocument } from 'yaml'
import { MeshError } from './errors.ts'
import type { SettingProblem } from './settings.ts'

/**
 * Reads a settings file (YAML or JSON) from its text. `problemsOf` judges the parsed document; every problem, and every
 * syntax error, is told with file, line and column in one WEFT_CONFIG_INVALID. An empty file sets nothing.
 */
export function parseSettingsFile(
  text: string,
  file: string,
  problemsOf: (value: unknown) => readonly SettingProblem[],
): object {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const broken = document.errors[0]
  if (broken !== undefined) {
    const { line, col } = lines.linePos(broken.pos[0])
    throw invalidSettings(`${file}:${line}:${col}: ${broken.message}`, { file, line, column: col })
  }
  const value: unknown = document.toJS({ maxAliasCount: 100 })
  const problems = problemsOf(value)
  if (problems.length > 0) {
    const said = problems.map(({ path, message }) => `${position(document, lines, file, path)}: ${message}`)
    throw invalidSettings(said.join('; '), { file, keys: problems.map(problem => problem.path.join('.')) })
  }
  return typeof value === 'object' && value !== null ? value : {}
}

/** A WEFT_CONFIG_INVALID. */
export function invalidSettings(
  message: string,
  fields: Readonly<Record<string, unknown>>,
  cause?: unknown,
): MeshError {
  return new MeshError('WEFT_CONFIG_INVALID', message, { fields, cause })
}

/** Where the key stands (an item of a list: where the item stands); the file alone when there is no such place. */
function position(document: Document, lines: LineCounter, file: string, path: readonly string[]): string {
  const start = keyStart(document, path) ?? valueStart(document, path)
  if (start === undefined) return file
  const { line, col } = lines.linePos(start)
  return `${file}:${line}:${col}`
}

function keyStart(document: Document, path: readonly string[]): number | undefined {
  const parent = path.length <= 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  if (!isMap(parent)) return undefined
  const pair = parent.items.find(item => isScalar(item.key) && item.key.value === path.at(-1))
  return pair !== undefined && isNode(pair.key) ? pair.key.range?.[0] : undefined
}

function valueStart(document: Document, path: readonly string[]): number | undefined {
  const node = path.length === 0 ? document.contents : document.getIn(path, true)
  return isNode(node) ? node.range?.[0] : undefined
}
