import type { SeenFlow } from '../../mesh/flows/flow.ts'
import type { AgentConfig } from '../../mesh/model/agent-config.ts'
import type { BoundListener, Credential, DataThreadReport, ListenerSpec, RejectedResource } from './messages.ts'

/** The data threads, as the control thread sees them. Every call reaches all threads. */
export interface DataPlane {
  /**
   * Puts a config to use in every thread and returns the resources that could not be: their last good version stays.
   */
  apply(config: AgentConfig): Promise<readonly RejectedResource[]>
  /** Replaces all keys and certificates; pooled sessions made with a replaced or dropped one are retired. */
  credentials(credentials: readonly Credential[]): void
  /** Makes exactly these listeners open: new ones are bound, others closed; those that stay are not touched. */
  listen(listeners: readonly ListenerSpec[]): Promise<readonly BoundListener[]>
  /** Totals of all threads added up. */
  collect(): Promise<DataThreadReport>
  /** Calls that the threads have seen since the last time. */
  takeFlows(): Promise<{ readonly flows: readonly SeenFlow[]; readonly dropped: number }>
  /** Takes nothing new, waits for what is open up to the deadline, then closes it. */
  drain(deadlineMs: number): Promise<void>
  /** Ends the threads at once. */
  stop(): Promise<void>
}
