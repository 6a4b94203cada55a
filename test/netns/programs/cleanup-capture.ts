import { cleanupCapture } from '../../../agent/intercept/cleanup.ts'

// What `weft agent cleanup` does, without anything that made the rules.

await cleanupCapture()
console.log('clean')
