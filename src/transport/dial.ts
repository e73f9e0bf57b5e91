import { connect, type Socket } from 'node:net'

/** Connections at a time with one sshd before anyone has logged in: MaxStartups drops more at random. */
export const mostHandshakes = 8

/** Milliseconds after which nobody wants to speak on a connection any more: sshd's patience is bounded, too. */
const longestWait = 5000

/** Connections on which nobody has spoken yet, by address: sshd starts a process for each, and that takes as long as it
 * takes to load what speaks SSH. */
export class Dialled {
  readonly #waiting = new Map<string, { socket: Socket; since: number }[]>()

  /** Begins a connection. What goes wrong with it is told by nobody: who comes later tries again. */
  ahead(address: string, port: number): void {
    const key = `${address} ${port}`
    const waiting = this.#waiting.get(key) ?? []
    if (waiting.length === mostHandshakes) return
    // unreferenced: one that nobody takes keeps no process alive
    const socket = connect({ host: address, port, noDelay: true }).unref()
    socket.on('error', () => {})
    this.#waiting.set(key, [...waiting, { socket, since: performance.now() }])
  }

  /** A connection that was begun, if there is one that is good still. */
  take(address: string, port: number): Socket | undefined {
    const waiting = this.#waiting.get(`${address} ${port}`) ?? []
    for (let next = waiting.shift(); next; next = waiting.shift()) {
      if (!next.socket.destroyed && performance.now() - next.since < longestWait) return next.socket.ref()
      next.socket.destroy()
    }
    return undefined
  }
}
