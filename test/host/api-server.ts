import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createServer as createTls } from 'node:https'
import type { AddressInfo, Server } from 'node:net'
import type { Issued } from './certificates.ts'

/** A small HTTP server of a test. */
export interface ApiServer {
  readonly port: number
  readonly url: string
  /** `METHOD /path` of each request. */
  readonly asked: string[]
  /** How many connections there were. */
  readonly connections: () => number
  readonly close: () => Promise<void>
}

export type Handle = (request: IncomingMessage & { data: string }, response: ServerResponse) => void

export async function startApi(handle: Handle, tls?: Issued): Promise<ApiServer> {
  const asked: string[] = []
  let connections = 0
  const listener = (request: IncomingMessage, response: ServerResponse) => {
    asked.push(`${request.method} ${request.url}`)
    const parts: Buffer[] = []
    request.on('data', (d) => parts.push(d))
    request.on('end', () => handle(Object.assign(request, { data: Buffer.concat(parts).toString() }), response))
  }
  const server = tls ? createTls(tls, listener) : createServer(listener)
  server.on('connection', () => {
    connections += 1
  })
  server.on('tlsClientError', () => {})
  await new Promise<void>((resolve) => (server as Server).listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  return {
    port,
    url: `${tls ? 'https' : 'http'}://127.0.0.1:${port}`,
    asked,
    connections: () => connections,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
}

export function json(response: ServerResponse, data: unknown, status = 200): void {
  response.writeHead(status, { 'content-type': 'application/json' })
  response.end(JSON.stringify(data))
}
