import { createHash } from 'node:crypto'
import type { Agent, ClientRequest, IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { AddressError, ConnectError, type Connection } from '../transport/stream.ts'
import { spokeWithoutTls, streamFailure, tlsOver } from './tls.ts'

/** One request to an HTTP API, as the host sees its address. */
export interface ApiRequest {
  readonly method?: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `http://127.0.0.1:8200/v1/sys/health`; never holds a secret. */
  readonly url: string
  /** They are shown nowhere: the place for tokens. */
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON. */
  readonly body?: unknown
  readonly tls?: TlsTrust
  /** Seconds for all of it, from the connection to the end of the answer. */
  readonly timeout?: number
}

/** Whom to believe behind https. */
export interface TlsTrust {
  /** PEM of the certificates that sign the server's; without it those that Node knows. */
  readonly ca?: string | undefined
  /** The name that its certificate has to have, where it is not the address's. */
  readonly serverName?: string | undefined
  /** Nothing is verified. */
  readonly unverified?: boolean | undefined
}

interface ApiReply {
  readonly status: number
  /** What the JSON says; a text where it is none; undefined where nothing came. */
  readonly body: unknown
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>
}

export type ApiAnswer =
  | ApiReply
  | {
      /** Why there is no answer, in one sentence. */
      readonly unreachable: string
      readonly hint?: string
      /** Time alone does not change it: the certificate is not believed, … */
      readonly forGood?: true
      /** The request may have come through, and have been done. */
      readonly sent: boolean
    }

/** What a call goes by: streams to addresses, and HTTP on them. */
export interface Way {
  /** @throws AddressError; ConnectError when the host itself is lost */
  readonly connect: (host: string, port: number) => Promise<Duplex>
  /** Whatever the server says, or does not say, is an answer.
   * @throws ConnectError when the host itself is lost */
  readonly api: (request: ApiRequest) => Promise<ApiAnswer>
}

/** Seconds for a request that says nothing else. */
const patience = 30
/** Bytes of an answer. */
const longestAnswer = 16_000_000
/** Streams to one address at a time. */
const mostStreams = 4

/** The way to addresses as one host sees them. Streams are kept for the next request until `renew` or `close`. */
export class Channel implements Way {
  readonly #connection: Connection
  /** By address, and whom to believe there. */
  readonly #servers = new Map<string, Server>()
  /** Equal questions that are being asked share an answer. */
  readonly #asking = new Map<string, Promise<ApiAnswer>>()

  constructor(connection: Connection) {
    this.#connection = connection
  }

  connect(host: string, port: number): Promise<Duplex> {
    return this.#connection.connect(host, port)
  }

  /** The same, ended by a signal. */
  until(signal: AbortSignal): Way {
    return { connect: (host, port) => this.connect(host, port), api: (request) => this.#request(request, signal) }
  }

  async api(request: ApiRequest): Promise<ApiAnswer> {
    if ((request.method ?? 'GET') !== 'GET' || request.body !== undefined) return this.#request(request)
    const key = requestKey(request)
    const asking = this.#asking.get(key) ?? this.#request(request).finally(() => this.#asking.delete(key))
    this.#asking.set(key, asking)
    return asking
  }

  /** Streams at rest are not used again: what answered on them may have been ended since. Node would pass over them by
   * `destroyed`, which ssh2's streams do not say of themselves. */
  renew(): void {
    for (const { agent } of this.#servers.values())
      void agent.then(({ freeSockets }) => {
        for (const [name, streams] of Object.entries(freeSockets)) {
          delete (freeSockets as Record<string, unknown>)[name]
          for (const stream of streams ?? []) stream.destroy()
        }
      })
  }

  close(): void {
    for (const { agent } of this.#servers.values()) void agent.then((a) => a.destroy())
  }

  async #request(request: ApiRequest, signal?: AbortSignal): Promise<ApiAnswer> {
    const url = new URL(request.url)
    const server = this.#serverFor(url, request.tls ?? {})
    await turn(server)
    try {
      return await this.#send(request, url, await server.agent, signal)
    } catch (e) {
      // it names the header, and not what stands in it
      const [, header] = /^Invalid character in header content \["(.+)"\]$/.exec((e as Error).message) ?? []
      if (header === undefined) throw e
      const unreachable = `the header ${header} can't be sent: it holds a line break, or another character that none may have`
      return { unreachable, forGood: true, sent: false }
    } finally {
      const next = server.waiting.shift()
      if (next) next()
      else server.busy--
    }
  }

  async #send(request: ApiRequest, url: URL, agent: Agent, signal: AbortSignal | undefined): Promise<ApiAnswer> {
    const { request: open } = await import('node:http')
    const body = request.body === undefined ? undefined : Buffer.from(JSON.stringify(request.body))
    const sending = open({
      agent,
      method: request.method ?? 'GET',
      host: bare(url.hostname),
      port: portOf(url),
      path: `${url.pathname}${url.search}`,
      headers: {
        ...request.headers,
        accept: 'application/json',
        ...(body ? { 'content-type': 'application/json', 'content-length': body.length } : {}),
      },
    })
    try {
      const answer = await answerTo(sending, body, request.timeout ?? patience, signal)
      return (url.protocol === 'http:' && spokeWithoutTls(answer.status, answer.body, url.host)) || answer
    } catch (e) {
      if (e instanceof ConnectError) throw e
      await this.#mustLive()
      // a server may end a stream at rest in the moment it is used again; only what changes nothing is asked twice
      if (sending.reusedSocket && isReset(e) && sending.method === 'GET') return this.#send(request, url, agent, signal)
      return noAnswer(e as Error, url, request.timeout ?? patience, sending)
    }
  }

  /** A host that is lost ends its streams first, and is known to be lost a moment later.
   * @throws ConnectError */
  async #mustLive(): Promise<void> {
    for (const pause of [0, 5, 20]) {
      await new Promise((resolve) => setTimeout(resolve, pause))
      const lost = this.#connection.lost()
      if (lost !== undefined) throw new ConnectError('lost', `the connection was lost: ${lost}`)
    }
  }

  #serverFor(url: URL, tls: TlsTrust): Server {
    const key = `${url.protocol}//${url.host} ${JSON.stringify(tls)}`
    const server = this.#servers.get(key) ?? { agent: this.#newAgent(url, tls), busy: 0, waiting: [] }
    this.#servers.set(key, server)
    return server
  }

  async #newAgent(url: URL, tls: TlsTrust): Promise<Agent> {
    const { Agent } = await import('node:http')
    const open = async () => {
      const stream = await this.#connection.connect(bare(url.hostname), portOf(url))
      const ready = url.protocol === 'https:' ? await tlsOver(stream, bare(url.hostname), tls) : stream
      // through an sshd a server's end is no end of the stream: what is sent on it then is swallowed
      return ready.once('end', () => ready.destroy())
    }
    class StreamAgent extends Agent {
      override createConnection(_: unknown, done: (e: Error | null, stream: Duplex) => void): undefined {
        open().then(
          (stream) => done(null, stream),
          (e: Error) => done(e, undefined as never),
        )
      }

      /** What Node does to its own sockets here other streams do not have. One that its server ends while it is at rest would
       * stay half open, and who asked on it would wait for an answer. */
      override keepSocketAlive(stream: Duplex): boolean {
        if (stream.listenerCount('end', endOf) === 0) stream.on('end', endOf)
        stream.resume()
        return !stream.readableEnded
      }

      override reuseSocket(stream: Duplex & { ref?: () => void }, sending: ClientRequest): void {
        stream.ref ??= () => {}
        super.reuseSocket(stream, sending)
      }
    }
    return new StreamAgent({ keepAlive: true, maxFreeSockets: mostStreams })
  }
}

function endOf(this: Duplex): void {
  this.destroy()
}

/** Node counts a stream only when it is there, so who asks is counted. */
interface Server {
  readonly agent: Promise<Agent>
  busy: number
  readonly waiting: (() => void)[]
}

async function turn(server: Server): Promise<void> {
  if (server.busy < mostStreams) server.busy++
  else await new Promise<void>((resolve) => server.waiting.push(resolve))
}

/** Tells two requests apart, and shows no secret. */
export function requestKey({ method = 'GET', url, headers, body, tls }: ApiRequest): string {
  const rest = createHash('sha256')
    .update(JSON.stringify([headers, body, tls]))
    .digest('hex')
  return `${method} ${url} ${rest.slice(0, 16)}`
}

const bare = (hostname: string) => hostname.replace(/^\[|\]$/g, '')
const portOf = ({ port, protocol }: URL) => Number(port || (protocol === 'https:' ? 443 : 80))

const isReset = (e: unknown) => ['ECONNRESET', 'EPIPE'].includes((e as { code?: string }).code ?? '')

class Late extends Error {}
class TooLong extends Error {}

function answerTo(
  sending: ClientRequest,
  body: Buffer | undefined,
  seconds: number,
  signal: AbortSignal | undefined,
): Promise<ApiReply> {
  return new Promise<ApiReply>((resolve, reject) => {
    const fail = (e: Error) => {
      reject(e)
      sending.destroy(e)
    }
    const late = setTimeout(() => fail(new Late()), seconds * 1000)
    const abort = () => fail(new Error('it was interrupted'))
    const over = () => {
      clearTimeout(late)
      signal?.removeEventListener('abort', abort)
    }
    signal?.addEventListener('abort', abort)
    if (signal?.aborted) abort()
    sending.on('error', (e) => {
      over()
      reject(e)
    })
    sending.on('response', (response) => {
      bodyOf(response).then(
        (bytes) => {
          over()
          resolve({ status: response.statusCode!, body: dataOf(bytes), headers: headersOf(response) })
        },
        (e: Error) => {
          over()
          fail(e)
        },
      )
    })
    sending.end(body)
  })
}

async function bodyOf(response: IncomingMessage): Promise<Buffer> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of response) {
    size += (part as Buffer).length
    if (size > longestAnswer) throw new TooLong()
    parts.push(part as Buffer)
  }
  return Buffer.concat(parts)
}

function dataOf(bytes: Buffer): unknown {
  if (bytes.length === 0) return undefined
  const text = bytes.toString('utf8')
  try {
    return JSON.parse(text)
  } catch {
    return text
  }
}

function headersOf({ headers }: IncomingMessage): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).map(([name, value]) => [name, [value].flat().join(', ')]))
}

/** Why there is no answer. Before the stream was there nothing can have come through. */
function noAnswer(e: Error, { host }: URL, seconds: number, { socket }: ClientRequest): ApiAnswer {
  const sent = Boolean(socket)
  if (e instanceof AddressError) return { unreachable: e.message, ...(e.hint ? { hint: e.hint } : {}), sent: false }
  if (e instanceof Late) return { unreachable: `${host} did not answer within ${seconds} s`, sent }
  if (e instanceof TooLong) return { unreachable: `${host} answered more than ${longestAnswer / 1e6} MB`, sent: true }
  return { ...streamFailure(e as Error & { code?: string }, host), sent }
}
