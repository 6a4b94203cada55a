import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname } from 'node:path'
import { fillBlocks } from './docs/markdown.ts'
import { generatedBlocks, generatedSchemas } from './docs/pages.ts'

/**
 * `npm run docs`: writes what the reference has from the code, between the marks in its pages, and the JSON Schemas.
 * A test compares the result with what is committed.
 */
const pages = Object.entries(generatedBlocks).map(([path, blocks]) => {
  return [path, fillBlocks(readFileSync(path, 'utf8'), blocks())] as const
})
for (const [path, text] of [...pages, ...Object.entries(generatedSchemas())]) {
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, text)
  console.log(path)
}
