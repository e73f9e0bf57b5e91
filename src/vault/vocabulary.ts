// What modules that talk to Vault or OpenBao have in common.

export { type AuditDevice, auditEffects, vaultAudits } from './audits.ts'

export { atRest, canary, judgeAtRest } from './canary.ts'
export { hclTraps, secretsInHcl, shownHcl } from './configuration.ts'
export { vaultContents } from './contents.ts'
export { notForStorage, notTaken, type Program, readsPinFile } from './dialect.ts'
export { noEntropy, noSealWrap, type VaultFeatures, vaultFeatures } from './features.ts'
export { hsmWords } from './hsm-words.ts'
export * as vaultInit from './init.ts'
export { vaultAccount, vaultCompletion } from './install-steps.ts'
export { type KeptKeys, keptKeys } from './kept-keys.ts'
export { keyEffects, type TransitKey, vaultKey, vaultRoundTrip } from './keys.ts'
export { type Ask, rightTo, vaultEffect, vaultKind, vaultSettled, vaultStep } from './kind.ts'
export {
  awayFrom,
  type Cluster,
  clusterSettled,
  clusterShown,
  illOf,
  type Member as VaultMember,
  neededBy,
  stepDown,
  untilBack,
  untilSpare,
  vaultCluster,
} from './members.ts'
export {
  kvVersion,
  type Mount,
  type MountConfig,
  type Mounts,
  mountChange,
  mountEffects,
  vaultMounts,
} from './mounts.ts'
export { policyEffects, vaultPolicy } from './policies.ts'
export { readerOf, type ServerProgram, serverPrograms } from './reader.ts'
export { type VaultState, vaultState } from './ready.ts'
export { isGood, type VaultSaid } from './said.ts'
export { probeOf, sealIn } from './seal.ts'
export { noSecret, type Secret, sameData, secretEffects, vaultSecret } from './secrets.ts'
export {
  barePath,
  isRefused,
  oddPath,
  type Refused,
  sameServer,
  type VaultServer,
  vaultRequest,
  vaultServerParams,
} from './server.ts'
export { serverEnd } from './server-end.ts'
export { productText, refusal, unusable, type VaultStatus, vaultStatus } from './status.ts'
export { type DataPlace, leftBehind, placeIn } from './storage.ts'
export {
  knownLocals,
  knownTrust,
  noToken,
  unaskable,
  vaultLocals,
  vaultParams,
  vaultServer,
  vaultTrust,
} from './token.ts'
export { vouchedBy } from './vouched.ts'
export * as vaultWanted from './wanted.ts'
