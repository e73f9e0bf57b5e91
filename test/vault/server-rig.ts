import { readFileSync } from 'node:fs'

// What real servers of tests have in common.

// A port that the system calls free is anybody's until something listens there, and a server starts late: another test's may
// be quicker. So each test has an address of loopback to itself, and ports below those that the system hands out.
const { pid } = process

/** This process's own. */
export const ownAddress = `127.${128 + (pid >> 16)}.${(pid >> 8) & 255}.${pid & 255}`

let last = 20_000

/** Nobody else's. */
export const nextPort = () => ++last

/** A server with a seal of its own tries to unseal itself every five seconds until it sees that it is unsealed. One that is
 * sealed before that does not stay so.
 * @param log its file. */
export async function unsealsNoMore(log: string): Promise<void> {
  for (const late = Date.now() + 60_000; Date.now() < late; await new Promise((r) => setTimeout(r, 50)))
    if (/but vault is already unsealed/.test(readFileSync(log, 'utf8'))) return
  throw new Error(`it is still at it: ${readFileSync(log, 'utf8').slice(-1500)}`)
}
