import type { CatalogueSnapshot } from '../mesh/model/catalogue.ts'
import type { Workload } from '../mesh/model/workload.ts'
import type { Clock } from '../mesh/std/clock.ts'
import type { Log } from '../mesh/std/log.ts'
import type { Watch } from '../mesh/std/watch.ts'
import type { ApiTokens } from './access/api-tokens.ts'
import type { ApiCredentials } from './api/http-api.ts'
import type { BanRoutesDeps } from './api/routes-bans.ts'
import type { AuditLog } from './audit/audit-log.ts'
import type { MergeScope } from './catalogue/merge-check.ts'
import type { MergeRules } from './catalogue/merge-rules.ts'
import type { MtlsVerdict } from './compile/settings.ts'
import type { FlowStore } from './flows/flow-store.ts'
import type { Challenges } from './identity/attest/challenges.ts'
import type { Authority } from './identity/authority.ts'
import type { Join } from './identity/join.ts'
import type { JoinTokens } from './identity/join-tokens.ts'
import type { Rotator } from './identity/rotator.ts'
import type { Migration, MigrationRequest } from './migrate.ts'
import type { Nodes } from './nodes.ts'
import type { ViewOfRegistry } from './registry-parts.ts'
import type { Resources } from './resources.ts'
import type { AgentStatus, RegistryStatus, TokenKeysStatus } from './status.ts'

/** A running server as its API sees it. */
export interface ServerParts {
  readonly name: string
  readonly version: string
  readonly trustDomain: string
  /** What follows the namespace in names of services: `mesh`. */
  readonly dnsDomain: string
  readonly clock: Clock
  readonly log: Log
  /** What the API presents; renewed while the server runs. */
  readonly credentials: Watch<ApiCredentials>
  readonly catalogue: Watch<CatalogueSnapshot>
  /** What holds for a service that several registries know. */
  readonly rules: Watch<MergeRules>
  /** What a merge rule may name. */
  readonly mergeScope: MergeScope
  /** What each registry says, in the order of the configuration. */
  readonly views: readonly ViewOfRegistry[]
  readonly resources: Resources
  /** Calls that agents have seen. */
  readonly flows: Pick<FlowStore, 'all'>
  readonly authority: Authority
  readonly rotator: Rotator
  readonly bans: BanRoutesDeps
  readonly joinTokens: JoinTokens
  readonly apiTokens: ApiTokens
  readonly audit: AuditLog
  readonly nodes: Nodes
  /** Answers a host that joins; throws MeshErrors that may be shown to it. */
  readonly join: Join
  /** For hosts that join by a certificate. */
  readonly challenges: Challenges
  registries(): readonly RegistryStatus[]
  /** Where keys of tokens come from. */
  tokenKeys(): readonly TokenKeysStatus[]
  agents(): readonly AgentStatus[]
  /** Lets a held removal of a registry through; false when it holds none back. Throws WEFT_NOT_FOUND. */
  confirmRemoval(registry: string): boolean
  /** Moves some of a service's traffic to another registry; throws MeshErrors that say why not. */
  migrate(request: MigrationRequest): Promise<Migration>
  /** What plaintext may do at a port of a workload, by the policies in force. */
  readonly mtlsOf: MtlsVerdict
  /** The SPIFFE id that callers expect of a workload; undefined when it is called in plaintext. */
  identityOf(workload: Workload): string | undefined
}
