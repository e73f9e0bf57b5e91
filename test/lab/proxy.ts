import { connect, createServer, type Socket } from 'node:net'

export interface ProxyOptions {
  /** Milliseconds each way: half of the round-trip time. */
  readonly delay?: number
  /** Bytes to the host, or to the client, after which the connection is reset. The last of them still arrive. */
  readonly cutAfter?: Partial<Record<Direction, number>>
  /** Bytes after which nothing more passes, either way; the connection stays open. */
  readonly stallAfter?: Partial<Record<Direction, number>>
}

export type Direction = 'toHost' | 'toClient'

/** A way to a host that is slow, breaks off, or falls silent. It lives in this process: whoever uses it must not block
 * (`spawn`, not `spawnSync`). */
export interface Proxy {
  readonly address: string
  readonly port: number
  /** Bytes that have passed, over all connections. */
  readonly passed: Readonly<Record<Direction, number>>
  /** How many connections there were. */
  readonly connections: number
  /** Nothing passes any more, either way, until `resume`. */
  readonly stall: () => void
  readonly resume: () => void
  /** Resets what is open; new connections are taken. */
  readonly cut: () => void
  /** Resets what is open and takes no more. */
  readonly close: () => Promise<void>
}

/** @param target the host's sshd.
 * @param address where to listen: `known_hosts` names it. */
export async function startProxy(
  target: { readonly address: string; readonly port?: number },
  options: ProxyOptions = {},
  address = '127.0.0.1',
): Promise<Proxy> {
  const { delay = 0, cutAfter, stallAfter } = options
  const open = new Set<Socket>()
  const lanes = new Set<Lane>()
  const passed: Record<Direction, number> = { toHost: 0, toClient: 0 }
  let connections = 0
  let stalled = false
  const stall = (yes: boolean) => {
    stalled = yes
    for (const lane of lanes) lane.stall(yes)
  }
  const server = createServer({ noDelay: true }, (client) => {
    connections += 1
    const host = connect({ host: target.address, port: target.port ?? 22, noDelay: true })
    const count: Record<Direction, number> = { toHost: 0, toClient: 0 }
    const both = () => {
      reset(client)
      reset(host)
    }
    // what a real network takes to connect: the host hears of it after three ways
    const toHost = new Lane(client, host, delay, performance.now() + 3 * delay)
    const toClient = new Lane(host, client, delay, performance.now() + 4 * delay)
    for (const [direction, lane] of [['toHost', toHost] as const, ['toClient', toClient] as const]) {
      lanes.add(lane)
      lane.stall(stalled)
      lane.pass = (data) => {
        const [most, silent] = [cutAfter?.[direction], stallAfter?.[direction]]
        const room = Math.min(most ?? Infinity, silent ?? Infinity) - count[direction]
        const part = data.subarray(0, Math.max(0, room))
        count[direction] += part.length
        passed[direction] += part.length
        if (part.length === data.length && count[direction] !== most) return part
        if (count[direction] === most) setImmediate(both)
        else for (const l of [toHost, toClient]) l.stall(true)
        return part
      }
    }
    for (const socket of [client, host]) {
      open.add(socket)
      socket.on('error', both)
      socket.on('close', () => {
        open.delete(socket)
        if (open.size === 0) lanes.clear()
      })
    }
  })
  await new Promise<void>((resolve, reject) => {
    server.on('error', reject)
    server.listen(0, address, resolve)
  })
  const cut = () => {
    for (const socket of open) reset(socket)
  }
  const { port } = server.address() as { port: number }
  return {
    address,
    port,
    passed,
    get connections() {
      return connections
    },
    stall: () => stall(true),
    resume: () => stall(false),
    cut,
    close: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}

/** Node can't reset what it is about to half-close: that fails, the socket is never closed, and the process spins at its end. */
function reset(socket: Socket): void {
  if (socket.writableEnded && !socket.writableFinished) socket.destroy()
  else socket.resetAndDestroy()
}

/** One direction of a connection: what comes in goes out later, in order. */
class Lane {
  readonly #to: Socket
  #waiting: { readonly at: number; readonly data: Buffer | undefined }[] = []
  #timer: NodeJS.Timeout | undefined
  #stalled = false
  /** What of these bytes goes through. */
  pass: (data: Buffer) => Buffer = (data) => data

  constructor(from: Socket, to: Socket, delay: number, earliest: number) {
    this.#to = to
    const take = (data: Buffer | undefined) => {
      this.#waiting.push({ at: Math.max(performance.now() + delay, earliest), data })
      this.#next()
    }
    from.on('data', take)
    from.on('end', () => take(undefined))
    from.on('close', () => {
      // a reset on one side is one on the other, a way later
      if (from.readableEnded) return
      setTimeout(() => this.#to.destroy(), delay)
    })
  }

  stall(yes: boolean): void {
    this.#stalled = yes
    this.#next()
  }

  #next(): void {
    clearTimeout(this.#timer)
    const now = performance.now()
    while (!this.#stalled && this.#waiting[0] && this.#waiting[0].at <= now + 0.5) {
      const { data } = this.#waiting.shift()!
      if (data === undefined) this.#to.end()
      else {
        const part = this.pass(data)
        if (part.length > 0) this.#to.write(part)
      }
    }
    if (!this.#stalled && this.#waiting[0])
      this.#timer = setTimeout(() => this.#next(), Math.max(0, this.#waiting[0].at - performance.now()))
  }
}
