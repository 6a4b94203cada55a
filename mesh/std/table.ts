import btree from 'sorted-btree'
import diffAgainst from 'sorted-btree/extended/diffAgainst.js'

// both are CommonJS
const BTree = btree.default
const diff = diffAgainst.default

/**
 * An immutable map in the order of its keys (by code units: the same on every machine). A changed table shares all
 * that did not change with the one it was made from: making it, and finding what is different between the two, costs
 * what the change touches times the logarithm of the size.
 */
export interface Table<T> {
  readonly size: number
  get(key: string): T | undefined
  has(key: string): boolean
  keys(): IteratorObject<string>
  values(): IteratorObject<T>
  entries(): IteratorObject<readonly [string, T]>
  [Symbol.iterator](): IteratorObject<readonly [string, T]>
  /** A table with these keys set, or removed where the value is undefined; the same table when nothing differs. */
  with(changes: Iterable<readonly [string, T | undefined]>): Table<T>
}

/** A table of the entries; of two with one key the later one. */
export function tableOf<T>(entries: Iterable<readonly [string, T]> = []): Table<T> {
  const tree = newTree<T>()
  for (const [key, value] of entries) tree.set(key, value)
  return new TreeTable(tree)
}

/**
 * The keys whose values are not the very same object in both tables, in order. Cheap for tables made from one another;
 * for others it costs their size.
 */
export function changedKeys<T>(before: Table<T>, after: Table<T>): readonly string[] {
  if (before === after) return []
  const keys: string[] = []
  const differs = (key: string) => void keys.push(key)
  diff(treeOf(before), treeOf(after), differs, differs, differs)
  return keys.sort(compareKeys)
}

type Tree<T> = InstanceType<typeof BTree<string, T>>

function newTree<T>(): Tree<T> {
  return new BTree<string, T>(undefined, compareKeys)
}

/** One function for all tables: only trees of the same order can be compared. */
function compareKeys(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

class TreeTable<T> implements Table<T> {
  readonly tree: Tree<T>

  constructor(tree: Tree<T>) {
    this.tree = tree
  }

  get size(): number {
    return this.tree.size
  }

  get(key: string): T | undefined {
    return this.tree.get(key)
  }

  has(key: string): boolean {
    return this.tree.has(key)
  }

  keys(): IteratorObject<string> {
    return Iterator.from(this.tree.keys())
  }

  values(): IteratorObject<T> {
    return Iterator.from(this.tree.values())
  }

  entries(): IteratorObject<readonly [string, T]> {
    return Iterator.from(this.tree.entries())
  }

  [Symbol.iterator](): IteratorObject<readonly [string, T]> {
    return this.entries()
  }

  with(changes: Iterable<readonly [string, T | undefined]>): Table<T> {
    let tree: Tree<T> | undefined
    for (const [key, value] of changes) {
      const current = tree ?? this.tree
      if (current.get(key) === value) continue
      tree ??= this.tree.clone()
      if (value === undefined) tree.delete(key)
      else tree.set(key, value)
    }
    return tree === undefined ? this : new TreeTable(tree)
  }
}

function treeOf<T>(table: Table<T>): Tree<T> {
  if (table instanceof TreeTable) return table.tree
  return tableTree(table)
}

/** A table of somebody else's making still compares, at the cost of its size. */
function tableTree<T>(table: Table<T>): Tree<T> {
  const tree = newTree<T>()
  for (const [key, value] of table) tree.set(key, value)
  return tree
}
