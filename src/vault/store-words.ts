import { type Failure, fail } from '../contract.ts'
import { whoIs } from '../secrets/store.ts'
import type { Stored } from '../secrets/stored.ts'
import type { KeptKeys } from './kept-keys.ts'
import { stateShown, type VaultState } from './ready.ts'
import type { VaultServer } from './server.ts'

// What the state of a store means for a server, in words.

/** Why nothing may be put into the store. */
export function storeBlocked(store: string, kept: Stored, path: string, { address }: VaultServer): Failure | undefined {
  if (kept.state !== 'empty')
    return fail(
      `${store} is there already, and ${address} is not initialised: it holds keys of another server, or of one whose storage is gone`,
      {
        hint: `move it away if nobody needs it any more, or name another \`store\` (${path})`,
      },
    )
  if (kept.intent?.alive)
    return fail(`another run initialises it: ${whoIs(kept.intent)}`, { hint: 'wait for it to end' })
  if (kept.barred !== undefined)
    return fail(`${path} can’t be written: ${kept.barred}`, { hint: 'what the server hands out would have no place' })
  return undefined
}

/** An earlier run said that it would, and never that it had. */
export function unfinished(
  { server, state, path }: { readonly server: VaultServer; readonly state: VaultState; readonly path: string },
  intent: NonNullable<Stored['intent']>,
): Failure {
  if (intent.alive) return fail(`another run initialises it: ${whoIs(intent)}`, { hint: 'wait for it to end' })
  if (intent.elsewhere !== undefined)
    return fail(
      `${server.address} is initialised, and its keys could not be written to ${path}: they are in ${intent.elsewhere}, on ${intent.host}`,
      { hint: `move it to ${path}`, result: stateShown(state) },
    )
  return fail(
    `${server.address} is initialised, and the run that was about to do so (${whoIs(intent)}) never came to keep its keys: they are lost, unless somebody else initialised it since`,
    {
      hint: `who has the keys removes ${path}.intent; else nothing is lost but an empty server: ${begunAnew(state.storage)}`,
      result: stateShown(state),
    },
  )
}

/** How a server comes to be as new. Those that were waiting for it may be in its cluster by now. */
export function begunAnew(storage: string): string {
  const [who, whose, them] =
    storage === 'raft'
      ? ['it and those that have joined it', 'the storage of each', 'them']
      : ['it', 'its storage', 'it']
  return `stop ${who}, empty ${whose}${storage === '' ? '' : ` (${storage})`}, start ${them}, and run this again`
}

/** Why a server that is sealed can’t be unsealed with what was kept. */
export function cannotUnseal(
  store: string | undefined,
  { address }: VaultServer,
  kept: Stored | undefined,
  keys: KeptKeys | undefined,
): Failure | undefined {
  if (!kept || kept.state === 'empty')
    return fail(`${address} is sealed, and its keys are not in a store of this controller`, {
      hint: store === undefined ? 'name it with `store`' : `they were not kept in ${store}: who has them unseals it`,
    })
  if (kept.problem !== undefined)
    return fail(
      `${address} is sealed, and ${store} can’t be read: ${kept.problem}`,
      kept.hint ? { hint: kept.hint } : {},
    )
  if (!keys) return fail(`${address} is sealed, and ${store} holds no keys`)
  if (keys.keys_pgp)
    return fail(`${address} is sealed, and its keys are encrypted to their holders`, { hint: 'they unseal it' })
  return undefined
}
