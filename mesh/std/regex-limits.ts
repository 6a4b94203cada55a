/**
 * What RE2 refuses in regular expressions and `re2js` does not, and what would take it long to refuse. Their syntax is left
 * to it: what is said here of an expression that it cannot read means nothing.
 */

/** Largest program, as Istio allows its proxies: repetitions are written out, so a short text can be a long one. */
const maxSize = 32_768

/** Categories that RE2 knows. */
const category = /^(?:Any|C[cfos]?|L[lmotu]?|M[cen]?|N[dlo]?|P[cdefios]?|S[ckmo]?|Z[lps]?)$/

/** What the parts of an expression look like, each of which counts for itself. */
const parts = new RegExp(
  [
    /\\Q(?<quoted>.*?)(?:\\E|$)/,
    /\\(?:[pPx]\{[^}]*\}|.)/,
    /\[\^?\]?(?:\[:\^?\w+:\]|\\.|[^\]\\])*\]/,
    /(?<flags>\(\?[a-zA-Z-]*\))/,
    /(?<open>\((?:\?(?<name>P?<)?[^:>)]*[:>])?)/,
    /\{(?<min>0|[1-9]\d*)(?<more>,(?<max>0|[1-9]\d*)?)?\}\??/,
    /[*+?]\??/,
    /./,
  ]
    .map(part => part.source)
    .join('|'),
  'gsu',
)
const classNames = /\\Q.*?(?:\\E|$)|\\[pP](?:\{\^?(?<long>[^}]*)\}|(?<short>.))|\\./gsu

/** What is wrong with an expression, reading on after it. */
export function limitProblem(expression: string): string | undefined {
  if (sizeAtMost(expression) > maxSize) return 'is too large once its repetitions are written out'
  for (const { groups } of expression.matchAll(classNames)) {
    const name = groups?.long ?? groups?.short
    if (name !== undefined && !category.test(name) && !isScript(name)) {
      return `has \\p{${name}}, which RE2 does not know`
    }
  }
  return undefined
}

/** Properties have names as scripts do, but RE2 knows none of them. */
function isScript(name: string): boolean {
  try {
    new RegExp(`\\p{Script=${name}}`, 'u')
    return true
  } catch {
    return false
  }
}

/** The instructions of an expression's program, or some more: it is counted as it stands, and may come out shorter. */
export function sizeAtMost(expression: string): number {
  const opened: { readonly before: number; readonly own: number }[] = []
  let before = 0
  let last = 0
  for (const { 0: part, groups = {} } of expression.matchAll(parts)) {
    if (groups.open !== undefined) {
      opened.push({ before: before + last, own: part === '(' || groups.name !== undefined ? 2 : 0 })
      before = 0
      last = 0
    } else if (part === ')') {
      const group = opened.pop()
      last = Math.max(before + last, 1) + (group?.own ?? 0)
      before = group?.before ?? 0
    } else if (part === '|') {
      before += last + 2
      last = 0
    } else if (groups.min !== undefined) {
      last = repeated(last, Number(groups.min), groups.more === undefined ? groups.min : groups.max)
    } else if (/^[*+?]/.test(part)) {
      last += 2
    } else if (groups.flags === undefined) {
      const length = groups.quoted?.length ?? 1
      if (length === 0) continue
      before += last + length - 1
      last = 1
    }
  }
  return 2 + Math.max(before + last, 1)
}

function repeated(size: number, min: number, max: string | undefined): number {
  if (max === undefined) return Math.max(min, 1) * size + 2
  const most = Number(max)
  return Math.max(most * size + most - min, 1)
}
