import { readFileSync } from 'node:fs'
import t from 'tap'
import { version } from '../../../../mesh/std/version.ts'

t.test('weft says the version of its package', async t => {
  const { version: ofPackage } = JSON.parse(readFileSync('package.json', 'utf8')) as { version: string }
  t.equal(version, ofPackage)
})

t.test('the changelog has this version, and begins with what is not released', async t => {
  const headings = [...readFileSync('CHANGELOG.md', 'utf8').matchAll(/^## (.*)$/gm)].map(match => match[1] ?? '')
  t.ok(
    headings.some(heading => heading.split(' ')[0] === version),
    `## ${version}`,
  )
})
