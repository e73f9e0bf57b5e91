import type { Counts, Event, RecapEvent } from './events.ts'
import type { Paint } from './lines.ts'
import { duration, plural, safeLine, widthOf } from './screen-text.ts'

const always: readonly (keyof Counts)[] = ['ok', 'changed', 'skipped', 'failed']
const columns: readonly (keyof Counts)[] = [...always, 'unreachable', 'unknown', 'trips']
const mostNames = 10

/** A line for every host with its counts; `unreachable` and `unknown` only where there are any. */
export function recapLines({ hosts, duration_ms, interrupted }: RecapEvent, check: boolean, paint: Paint): string[] {
  const all = Object.entries(hosts)
  const shown = columns.filter((k) => k === 'trips' || always.includes(k) || all.some(([, counts]) => counts[k] > 0))
  const digits = Object.fromEntries(shown.map((k) => [k, Math.max(...all.map(([, c]) => String(c[k]).length))]))
  const width = Math.max(0, ...all.map(([name]) => widthOf(safeLine(name))))
  const cell = (counts: Counts, k: keyof Counts) => {
    const text = `${k}=${counts[k]}`.padEnd(k === 'trips' ? 0 : k.length + 1 + digits[k]!)
    if (counts[k] === 0 || k === 'trips') return paint.dim(text)
    if (k === 'ok' || k === 'skipped') return text
    return k === 'failed' || k === 'unreachable' ? paint.red(text) : paint.yellow(text)
  }
  const state = interrupted ? ', interrupted' : ''
  const head = ` (${plural(all.length, 'host')} in ${duration(duration_ms)}${state})`
  const rows = all.map(([name, counts]) => {
    const safe = safeLine(name)
    return `${safe}${' '.repeat(width - widthOf(safe))}  ${shown.map((k) => cell(counts, k)).join('  ')}`
  })
  return ['', paint.bold(check ? 'CHECK' : 'RECAP') + paint.dim(head), ...rows]
}

/** What a whole run came to, in a sentence or two; it agrees with the exit code. */
export class Summary {
  readonly #check: boolean
  #harmless = 0
  #warnings = 0

  constructor(check: boolean) {
    this.#check = check
  }

  note(event: Event): void {
    if (event.event === 'task' && event.status === 'unknown' && event.harmless) this.#harmless++
    if (event.event === 'warning') this.#warnings++
  }

  lines({ hosts, interrupted }: RecapEvent, paint: Paint): string[] {
    const all = Object.entries(hosts)
    const total = (k: keyof Counts) => all.reduce((sum, [, counts]) => sum + counts[k], 0)
    const named = (k: keyof Counts) => all.filter(([, counts]) => counts[k] > 0).map(([name]) => safeLine(name))
    const changed = total('changed')
    const unknown = total('unknown') > this.#harmless ? total('unknown') : 0
    const [failed, unreachable] = [named('failed'), named('unreachable')]
    const lines = []
    if (changed > 0) {
      const what = `${plural(changed, 'change')} on ${plural(named('changed').length, 'host')}`
      lines.push(paint.yellow(this.#check ? `${what} would be made` : what))
    }
    if (unknown > 0)
      lines.push(
        paint.magenta(`${plural(unknown, 'task')} known only after apply`) +
          paint.dim(' (`affects:` on a command narrows that down)'),
      )
    if (failed.length > 0) lines.push(paint.red(`failed: ${list(failed)}`))
    if (unreachable.length > 0) lines.push(paint.red(`unreachable: ${list(unreachable)}`))
    if (this.#warnings > 0) lines.push(paint.yellow(plural(this.#warnings, 'warning')))
    if (interrupted) lines.push(paint.yellow('interrupted: what was not reached is as it was'))
    else if (changed + unknown + failed.length + unreachable.length === 0)
      lines.push(
        all.length === 0 ? 'no hosts' : paint.green(this.#check ? 'nothing would change' : 'nothing to change'),
      )
    return ['', ...lines]
  }
}

function list(names: readonly string[]): string {
  const more = names.length - mostNames
  return names.slice(0, mostNames).join(', ') + (more > 0 ? ` and ${more} more` : '')
}
