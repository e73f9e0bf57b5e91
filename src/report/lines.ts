import pc from 'picocolors'
import type { Event, HostEvent, TaskEvent, WarningEvent } from './events.ts'
import { diffLine, duration, plural, safeLine, safeLines } from './screen-text.ts'
import { recapLines, Summary } from './summary.ts'

export interface LineOptions {
  readonly color: boolean
  /** 0 tells what changed or went wrong; 1 every task, with its time and the end of what its command said; 2 every step. */
  readonly verbose: number
  /** What commands said is told to its beginning. */
  readonly whole?: boolean
  readonly check: boolean
}

export type Paint = ReturnType<typeof pc.createColors>

const indent = '    '
const mostSaid = 10
const mostOfDiff = 100

/** Tells a run: for each event the lines that a reader is told of it, safe on a terminal; none for what needs no words. */
export function teller(options: LineOptions): (event: Event) => string[] {
  const paint = pc.createColors(options.color)
  const summary = new Summary(options.check)
  return (event) => {
    summary.note(event)
    switch (event.event) {
      case 'play':
        return ['', paint.bold(`PLAY ${safeLine(event.play)}`) + paint.dim(` (${plural(event.hosts.length, 'host')})`)]
      case 'task':
        return taskLines(event, options, paint)
      case 'progress':
        return options.verbose < 2
          ? []
          : [paint.dim(`starts ${safeLine(event.host)}: ${safeLine(event.task)}: ${safeLine(event.step)}`)]
      case 'host':
        return hostLines(event, paint)
      case 'warning':
        return warningLines(event, paint)
      case 'recap':
        return [...recapLines(event, options.check, paint), ...summary.lines(event, paint)]
      case 'run':
      case 'turn':
        return []
    }
  }
}

function taskLines(e: TaskEvent, options: LineOptions, paint: Paint): string[] {
  const { verbose, check } = options
  const quiet = e.status === 'ok' || e.status === 'skipped'
  if (quiet && verbose === 0 && e.output === undefined) return []
  const word = check && e.status === 'changed' ? 'would change' : e.ignored ? 'failed (ignored)' : e.status
  const kind = e.handler ? ' (handler)' : ''
  const item = e.item === undefined ? '' : ` [${safeLine(e.item)}]`
  const took = verbose > 0 && e.ms > 0 ? paint.dim(` (${duration(e.ms)})`) : ''
  const at = e.at !== undefined && (e.status === 'failed' || e.status === 'unreachable') ? [`at ${safeLine(e.at)}`] : []
  return [
    `${paintStatus(e, paint)(word)} ${paint.bold(safeLine(e.host))}: ${safeLine(e.task)}${kind}${item}${took}`,
    ...[
      ...e.changes.map(safeLine),
      ...(e.output === undefined ? [] : safeLines(e.output)),
      ...messageLines(e, verbose),
      ...saidLines(e, options).map((line) => paint.dim(line)),
      ...at,
      ...fixLines(e.hint),
      ...diffLines(e, options, paint),
    ].map((line) => (line === '' ? '' : indent + line)),
  ]
}

function messageLines(e: TaskEvent, verbose: number): string[] {
  if (e.message === undefined || (e.status === 'skipped' && verbose === 0)) return []
  const lines = safeLines(e.message)
  if (e.status === 'unknown') return [`known only after apply: ${lines.join(' ')}`]
  return lines.map((line, i) => (i === 0 ? line : `| ${line}`))
}

function saidLines({ said }: TaskEvent, { verbose, whole }: LineOptions): string[] {
  if (said === undefined || verbose === 0) return []
  const lines = safeLines(said)
  const shown = whole || verbose > 1 ? lines : lines.slice(-mostSaid)
  const more = lines.length - shown.length
  return [...(more > 0 ? [`… ${plural(more, 'line')} before, -vv shows more`] : []), ...shown].map(
    (line) => `| ${line}`,
  )
}

function diffLines({ diff }: TaskEvent, { verbose }: LineOptions, paint: Paint): string[] {
  if (diff === undefined) return []
  const lines = diff.replace(/\n$/, '').split('\n')
  const shown = verbose > 0 ? lines : lines.slice(0, mostOfDiff)
  const more = lines.length - shown.length
  return [
    ...shown.map((line) => paintDiff(diffLine(line), paint)),
    ...(more > 0 ? [paint.dim(`… ${plural(more, 'line')} more, -v shows them`)] : []),
  ]
}

function fixLines(hint: string | undefined): string[] {
  return hint === undefined ? [] : safeLines(hint).map((line) => `fix: ${line}`)
}

function paintStatus(e: TaskEvent, paint: Paint): (text: string) => string {
  if (e.status === 'failed') return e.ignored ? paint.yellow : paint.red
  return { ok: paint.green, changed: paint.yellow, skipped: paint.dim, unreachable: paint.red, unknown: paint.magenta }[
    e.status
  ]
}

function paintDiff(line: string, paint: Paint): string {
  if (line === '') return ''
  if (line.startsWith('+++') || line.startsWith('---')) return paint.bold(line)
  if (line.startsWith('+')) return paint.green(line)
  return line.startsWith('-') ? paint.red(line) : paint.dim(line)
}

function hostLines(e: HostEvent, paint: Paint): string[] {
  const [first = '', ...rest] = safeLines(e.message)
  return [
    `${paint.red(e.status)} ${paint.bold(safeLine(e.host))}: ${first}`,
    ...[...rest, ...fixLines(e.hint)].map((line) => indent + line),
  ]
}

function warningLines(e: WarningEvent, paint: Paint): string[] {
  const host = e.host === undefined ? '' : ` ${paint.bold(safeLine(e.host))}`
  const at = e.at === undefined ? [] : [`at ${safeLine(e.at)}`]
  return [
    `${paint.yellow(`warning[${e.code}]`)}${host}: ${safeLine(e.message)}`,
    ...[...at, ...fixLines(e.hint)].map((line) => indent + line),
  ]
}
