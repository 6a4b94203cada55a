/** Ends every `switch` over a union: adding a variant becomes a type error where it is not handled. */
export function assertNever(value: never): never {
  throw new TypeError(`unexpected variant ${JSON.stringify(value)}`)
}
