// What vault_init is made of.

export { clusterAddresses, peersOf, roleOf } from './cluster.ts'
export { planFirst, planInitialised, planJoin } from './init-plan.ts'
export { pgpKeysOf } from './kept-keys.ts'
export { preflightParam, preflightReads } from './preflight.ts'
export { hasWaited, isUnsealing, serverRuns, silence, startingState } from './ready.ts'
export { sealProblem } from './seal.ts'
export { storeBlocked } from './store-words.ts'
