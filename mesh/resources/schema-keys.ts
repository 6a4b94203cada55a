import { z } from 'zod'

/** The field names a schema knows at a path of a document, for suggestions; none where it takes any key. */
export function keysAt(schema: z.core.$ZodType, path: readonly (string | number)[]): readonly string[] {
  const [step, ...rest] = path
  const bare = unwrap(schema)
  if (bare instanceof z.ZodUnion) return bare.options.flatMap(option => keysAt(option, path))
  if (bare instanceof z.ZodObject) {
    const shape: Readonly<Record<string, z.core.$ZodType>> = bare.shape
    if (step === undefined) return Object.keys(shape)
    const field = shape[step]
    return field === undefined ? [] : keysAt(field, rest)
  }
  if (step === undefined) return []
  if (bare instanceof z.ZodArray) return keysAt(bare.element, rest)
  return bare instanceof z.ZodRecord ? keysAt(bare.valueType, rest) : []
}

function unwrap(schema: z.core.$ZodType): z.core.$ZodType {
  if (schema instanceof z.ZodOptional || schema instanceof z.ZodDefault) return unwrap(schema.unwrap())
  return schema instanceof z.ZodPipe ? unwrap(schema.in) : schema
}
