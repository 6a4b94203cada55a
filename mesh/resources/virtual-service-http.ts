import { z } from 'zod'
import { checkAuthority, headers } from './header-operations.ts'
import { lineOfText, refuseKey } from './primitives.ts'
import { retries } from './retries.ts'
import { checkWeights, count, destination, duration, percent, wrapped } from './traffic-values.ts'
import { corsPolicy, directResponse, fault, redirect, rewrite } from './virtual-service-actions.ts'
import { httpMatch } from './virtual-service-match.ts'

const fields = z.strictObject({
  name: z.string().optional(),
  /** Any of these; none are all requests. */
  match: z.array(httpMatch).optional(),
  route: z.array(z.strictObject({ destination, weight: count.optional(), headers: headers.optional() })).optional(),
  redirect: redirect.optional(),
  directResponse: directResponse.optional(),
  /**
   * The VirtualService without hosts whose rules stand in place of this one; of this namespace when it names none. As in
   * Istio any text will do: what is no name finds nothing, and a finding says so.
   */
  delegate: z.strictObject({ name: lineOfText.optional(), namespace: lineOfText.optional() }).optional(),
  rewrite: rewrite.optional(),
  timeout: duration().optional(),
  retries: retries.optional(),
  fault: fault.optional(),
  mirror: destination.optional(),
  /** All when left out. */
  mirrorPercentage: percent.optional(),
  mirrorPercent: wrapped(z.int().min(0).max(100)),
  /** The name that Istio's CRD has beside the other one. */
  mirror_percent: wrapped(z.int().min(0).max(100)),
  mirrors: z.array(z.strictObject({ destination, percentage: percent.optional() })).optional(),
  corsPolicy: corsPolicy.optional(),
  headers: headers.optional(),
})

/** Istio's HTTPRoute: requests to choose and what is done with them. */
export const httpRoute = fields
  .superRefine(checkAction)
  .superRefine(checkWeightsOf)
  .superRefine(checkAuthority)
  .transform(({ mirror_percent: percent, ...route }) =>
    percent === undefined ? route : { ...route, mirrorPercent: route.mirrorPercent ?? percent },
  )

type HttpRoute = z.infer<typeof fields>

function checkWeightsOf({ route }: HttpRoute, context: z.RefinementCtx): void {
  checkWeights(route, context)
}

/** A route leads somewhere, redirects or answers itself: one of the three, or another VirtualService says which. */
function checkAction(route: HttpRoute, context: z.RefinementCtx): void {
  if (route.delegate !== undefined) checkDelegation(route, context)
  else checkOwnAction(route, context)
}

/** Istio takes a `directResponse` here: it is that of all rules of the delegate which have none. */
function checkDelegation(route: HttpRoute, context: z.RefinementCtx): void {
  const message = 'stands beside delegate, whose rules say it: remove one of them'
  if ((route.route?.length ?? 0) > 0) refuseKey(context, 'route', message)
  if (route.redirect !== undefined) refuseKey(context, 'redirect', message)
}

function checkOwnAction(route: HttpRoute, context: z.RefinementCtx): void {
  const leads = (route.route?.length ?? 0) > 0
  const actions = [
    ...(leads ? ['route'] : []),
    ...(route.redirect === undefined ? [] : ['redirect']),
    ...(route.directResponse === undefined ? [] : ['directResponse']),
  ]
  const [first, second] = actions
  if (first === undefined) {
    context.addIssue({ code: 'custom', message: 'needs one of route, redirect, directResponse and delegate' })
  } else if (second !== undefined) {
    refuseKey(context, second, `stands beside ${first}, use one of them`)
  }
  if (!leads) {
    for (const key of ['fault', 'rewrite'] as const) {
      if (first !== undefined && route[key] !== undefined) refuseKey(context, key, `means nothing beside ${first}`)
    }
  }
  if (
    route.redirect?.prefixRewrite &&
    route.match?.some(({ uri }) => uri?.exact !== undefined || uri?.regex !== undefined)
  ) {
    const path = ['redirect', 'prefixRewrite']
    context.addIssue({ code: 'custom', message: 'needs a match of a prefix, or of none of the path', path })
  }
  if (route.mirror !== undefined && (route.mirrors?.length ?? 0) > 0) {
    refuseKey(context, 'mirrors', 'stands beside mirror, use one of them')
  }
}
