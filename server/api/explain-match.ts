import { type Condition, matchesRoute, type ValueTest } from '../../mesh/routing/matching.ts'
import type { Route, RouteRequest } from '../../mesh/routing/route.ts'
import { assertNever } from '../../mesh/std/assert-never.ts'
import { textOf } from '../../mesh/std/octets.ts'

/** Why a route is not about the request: the first of its conditions that does not hold. Undefined when all do. */
export function mismatchOf(route: Route, request: RouteRequest): string | undefined {
  const failing = route.match.find(condition => !matchesRoute({ ...route, match: [condition] }, request))
  return failing === undefined ? undefined : `${subjectOf(failing)} ${complaintOf(failing)}`
}

function subjectOf({ of, name }: Condition): string {
  switch (of) {
    case 'header':
      return `the header ${name}`
    case 'query':
      return `the parameter ${name}`
    default:
      return `the ${of}`
  }
}

function complaintOf({ not, test }: Condition): string {
  if (not) return test.kind === 'present' ? 'is there, and must not be' : `${saying(test)}, and must not`
  switch (test.kind) {
    case 'present':
      return 'is missing'
    case 'exact':
      return `is not ${quoted(test)}`
    case 'prefix':
      return `does not begin with ${quoted(test)}`
    case 'segments':
      return `is neither ${quoted(test)} nor below it`
    case 'regex':
      return 'does not match the rule’s expression'
    default:
      return assertNever(test.kind)
  }
}

function saying(test: ValueTest): string {
  switch (test.kind) {
    case 'exact':
      return `is ${quoted(test)}`
    case 'prefix':
      return `begins with ${quoted(test)}`
    default:
      return 'matches the rule’s expression'
  }
}

function quoted({ text }: ValueTest): string {
  return JSON.stringify(textOf(text))
}
