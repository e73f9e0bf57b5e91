import type { ApiAnswer } from '../host/channel.ts'
import type { CallEnd, StepEnd } from '../host/step.ts'
import { denial } from './denial.ts'
import type { Asked, Refused, VaultServer } from './server.ts'

/** What a server said. */
export interface VaultSaid {
  readonly status: number
  /** What stands under `data`; all of it where there is no such thing. */
  readonly data: Readonly<Record<string, unknown>>
  readonly warnings: readonly string[]
  /** Its errors in one line; empty where there are none. */
  readonly errors: string
}

/** What an answer means whatever was asked.
 * @param asked method and path, for what is denied. */
export function vaultSaid(answer: ApiAnswer, server: VaultServer, asked?: Asked): VaultSaid | Refused {
  const { address, namespace } = server
  if ('unreachable' in answer) {
    const { unreachable: refused, hint, forGood } = answer
    return { refused, ...(hint ? { hint } : {}), ...(forGood ? { forGood } : {}) }
  }
  const { status, body, headers } = answer
  const all = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  const errors = errorsIn(body)
  if (status >= 300 && status < 400 && status !== 307)
    return {
      refused: `${address} answers ${status} and sends to ${headers.location ?? 'another address'}: no server does that, what stands before it does`,
      hint: 'use an address that leads to the server itself',
    }
  if (status === 307)
    return {
      refused: `${address} is a standby and sends to ${headers.location ?? 'another server'}`,
      hint: 'use the address of the active server; where that one does not answer, the cluster has lost its leader: see whether its members are up and unsealed',
    }
  if (status === 403) return denial(server, textsIn(all.errors), asked)
  if (status === 404 && namespace !== undefined && /namespace not found/i.test(errors))
    return { refused: `${address} has no namespace ${namespace}` }
  if (status >= 500 && /active cluster node not found/i.test(errors))
    return {
      refused: `${address} is a standby and knows no leader of its cluster`,
      hint: 'see whether the other members are up and unsealed; their logs say why none leads',
    }
  if (status === 503) return { refused: `${address} answers 503: ${errors || 'it is sealed'}` }
  const data = typeof all.data === 'object' && all.data !== null ? all.data : all
  return { status, data: data as VaultSaid['data'], warnings: textsIn(all.warnings), errors }
}

/** `answers 502: its errors`. */
export const answered = ({ status, errors }: Pick<VaultSaid, 'status' | 'errors'>) =>
  `answers ${status}${errors === '' ? '' : `: ${errors}`}`

/** It is no answer to what was asked. */
export const noAnswer = (said: VaultSaid): Refused => ({ refused: `it ${answered(said)}` })

export const isGood = (said: VaultSaid) => said.status >= 200 && said.status < 300

export const textsIn = (list: unknown): string[] => (Array.isArray(list) ? list.map(String) : [])

/** The errors in an answer, without what Go and plugins put around them. */
export function errorsIn(body: unknown): string {
  const list = typeof body === 'string' ? [body] : textsIn((body as { errors?: unknown } | undefined)?.errors)
  return list
    .map((text) =>
      text
        .replace(/\d+ errors? occurred:\s*/g, '')
        .replace(/rpc error: code = \w+ desc = /g, '')
        .replace(/^\s*\* /gm, '')
        .trim()
        .replace(/\s*\n+\s*/g, '; '),
    )
    .filter((text) => text !== '')
    .join('; ')
}

/** What a step that called a server tells on its output. */
export interface Told {
  /** The way out, where it failed. */
  readonly hint?: string
  readonly warnings?: readonly string[]
  /** What it found, for the result. */
  readonly result?: Readonly<Record<string, unknown>>
}

export const told = (more: Told) => Buffer.from(JSON.stringify(more))

export const failure = (why: string, hint?: string): CallEnd => ({
  ok: false,
  why,
  output: told(hint === undefined ? {} : { hint }),
})

export function toldBy({ stdout }: StepEnd): Told {
  try {
    return JSON.parse(stdout.toString('utf8')) as Told
  } catch {
    // it was not called, or is a step of another kind
    return {}
  }
}
