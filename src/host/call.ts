import { ConnectError } from '../transport/stream.ts'
import type { Channel } from './channel.ts'
import { type CallStep, neverStarted, type Step, type StepEnd } from './step.ts'

/** Runs a step that is made by calls.
 * @param killed the run is ended at once.
 * @returns `lost` where the host was, or the run was ended: what it did is not known then. Never rejects. */
export async function runCall(
  order: { readonly step: Step; readonly timeout: number | undefined; readonly onStart?: () => void },
  channel: Channel,
  killed: AbortSignal,
): Promise<StepEnd> {
  const { call, timeout: own } = order.step as CallStep
  if (killed.aborted) return neverStarted
  order.onStart?.()
  const began = performance.now()
  const ending = new AbortController()
  const end = (outcome: StepEnd['outcome'], why = '', stdout: Buffer = Buffer.alloc(0)): StepEnd => {
    const ms = performance.now() - began
    return { outcome, status: undefined, stdout, stderr: Buffer.from(why), ms }
  }
  const seconds = order.timeout ?? own
  let timer: NodeJS.Timeout | undefined
  let stop: (() => void) | undefined
  const ended = new Promise<StepEnd>((resolve) => {
    if (seconds !== undefined)
      timer = setTimeout(() => resolve({ ...end('timed-out'), limit: seconds }), seconds * 1000)
    stop = () => resolve(end('lost', 'it was interrupted'))
    killed.addEventListener('abort', stop)
  })
  const run = async () => {
    try {
      const { ok, why, output } = await call(channel.until(ending.signal), ending.signal)
      return end(ok ? 'done' : 'failed', why, output)
    } catch (e) {
      if (e instanceof ConnectError) return end('lost', e.message.replace(/^the connection was lost: /, ''))
      return end('failed', `this is a fault of the module: ${e instanceof Error ? e.stack : String(e)}`)
    }
  }
  try {
    return await Promise.race([run(), ended])
  } finally {
    clearTimeout(timer)
    killed.removeEventListener('abort', stop!)
    ending.abort()
  }
}
