// What vault_init is made of.

export { clusterAddresses, peersOf, roleOf } from './cluster.ts'
export { bringUp, type InitOrder, type InitSaid, initialise, joinCluster } from './initialise.ts'
export { pgpKey } from './kept-keys.ts'
export { type PreflightProblem, preflightParam, preflightProblem, preflightReads } from './preflight.ts'
export { hasWaited, isUp, serverRuns, silence, startingState, stateShown } from './ready.ts'
export { otherKey } from './seal.ts'
export { cannotUnseal, storeBlocked, unfinished } from './store-words.ts'
