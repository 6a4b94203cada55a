import type { ProbeCheck } from '../../mesh/model/probe.ts'
import type { CheckResult } from './check.ts'
import { checkExec } from './exec.ts'
import { checkHttp } from './http.ts'
import { checkTcp } from './tcp.ts'
import { unitCheck } from './unit.ts'

/** Runs a check of any kind; failures are results. */
export type AnyCheck = (check: ProbeCheck, address: string, signal: AbortSignal) => Promise<CheckResult>

/**
 * The checks this agent runs. `exec` ones run with the agent's rights, root's mostly, so the host's own operator has to
 * allow them: whoever may write a WorkloadGroup could run anything here otherwise.
 */
export function createChecks({ exec }: { readonly exec: boolean }): AnyCheck {
  const checkUnit = unitCheck()
  return async (check, address, signal) => {
    switch (check.kind) {
      case 'http':
        return checkHttp(check, address, signal)
      case 'tcp':
        return checkTcp(check, address, signal)
      case 'grpc': {
        // Loaded when it is used only: it is the largest library of all.
        const { checkGrpc } = await import('./grpc.ts')
        return checkGrpc(check, address, signal)
      }
      case 'exec':
        if (!exec) return { healthy: false, reason: 'commands are not run on this host, see its setting health.exec' }
        return checkExec(check, address, signal)
      case 'unit':
        return checkUnit(check, address, signal)
    }
  }
}
