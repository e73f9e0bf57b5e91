// What vault_init is made of.

export { clusterAddresses, peersOf, roleOf } from './cluster.ts'
export { bringUp, type InitOrder, type InitSaid, initialise } from './initialise.ts'
export { joinCluster } from './join.ts'
export { pgpKeysOf } from './kept-keys.ts'
export { type PreflightProblem, preflightParam, preflightProblem, preflightReads } from './preflight.ts'
export {
  hasWaited,
  isUnsealing,
  isUp,
  serverRuns,
  silence,
  startingState,
  stateEffects,
  stateShown,
  unsealingOf,
} from './ready.ts'
export { otherKey } from './seal.ts'
export { cannotUnseal, storeBlocked, unfinished } from './store-words.ts'
