/** The most frequent value, the smallest of several; undefined for none. `agreed` tells that there was no other. */
export function mostFrequent<T extends string | number>(
  values: readonly T[],
): { readonly value: T; readonly agreed: boolean } | undefined {
  const counts = [...Map.groupBy(values, value => value)].map(([value, { length }]) => ({ value, length }))
  const [first] = counts.sort((a, b) => b.length - a.length || (a.value < b.value ? -1 : 1))
  return first === undefined ? undefined : { value: first.value, agreed: counts.length === 1 }
}
