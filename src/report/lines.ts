import pc from 'picocolors'
import type { Counts, Event, HostEvent, RecapEvent, TaskEvent, WarningEvent } from './events.ts'
import { duration, safeLine, safeLines, widthOf } from './screen-text.ts'

export interface LineOptions {
  readonly color: boolean
  /** Tasks that are ok or skipped are told too. */
  readonly verbose: boolean
  readonly check: boolean
}

type Paint = ReturnType<typeof pc.createColors>

/** What a reader is told of an event, as lines that are safe on a terminal; none for what needs no words. */
export function linesOf(event: Event, options: LineOptions): string[] {
  const paint = pc.createColors(options.color)
  switch (event.event) {
    case 'play':
      return ['', paint.bold(`PLAY ${safeLine(event.play)}`) + paint.dim(` (${count(event.hosts.length, 'host')})`)]
    case 'task':
      return taskLines(event, options, paint)
    case 'host':
      return hostLines(event, paint)
    case 'warning':
      return warningLines(event, paint)
    case 'recap':
      return recapLines(event, options, paint)
    default:
      return []
  }
}

function count(n: number, noun: string): string {
  return `${n} ${noun}${n === 1 ? '' : 's'}`
}

function taskLines(e: TaskEvent, { verbose, check }: LineOptions, paint: Paint): string[] {
  const quiet = e.status === 'ok' || e.status === 'skipped'
  if (quiet && !verbose && e.output === undefined) return []
  const word = check && e.status === 'changed' ? 'would change' : e.ignored ? 'failed (ignored)' : e.status
  const item = e.item === undefined ? '' : ` [${safeLine(e.item)}]`
  const head = `${paintStatus(e, paint)(word)} ${paint.bold(safeLine(e.host))}: ${safeLine(e.task)}${item}`
  const took = verbose && e.ms > 0 ? paint.dim(` (${duration(e.ms)})`) : ''
  const lines = [`${head}${took}`, ...e.changes.map((c) => `    ${safeLine(c)}`)]
  if (e.output !== undefined) lines.push(...safeLines(e.output).map((l) => `    ${l}`))
  if (e.message !== undefined && (e.status !== 'skipped' || verbose))
    lines.push(...safeLines(e.message).map((l) => `    ${l}`))
  if (e.hint !== undefined) lines.push(...safeLines(e.hint).map((l) => `    fix: ${l}`))
  if (e.at !== undefined && (e.status === 'failed' || e.status === 'unreachable'))
    lines.push(`    at ${safeLine(e.at)}`)
  if (e.diff !== undefined) lines.push(...safeLines(e.diff).map((l) => `    ${paintDiff(l, paint)}`))
  return lines
}

function paintStatus(e: TaskEvent, paint: Paint): (text: string) => string {
  if (e.status === 'failed') return e.ignored ? paint.yellow : paint.red
  return { ok: paint.green, changed: paint.yellow, skipped: paint.dim, unreachable: paint.red, unknown: paint.magenta }[
    e.status
  ]
}

function paintDiff(line: string, paint: Paint): string {
  if (line.startsWith('+')) return paint.green(line)
  return line.startsWith('-') ? paint.red(line) : paint.dim(line)
}

function hostLines(e: HostEvent, paint: Paint): string[] {
  if (e.status === 'connected') return []
  const lines = safeLines(e.message ?? '')
  return [
    `${paint.red(e.status)} ${paint.bold(safeLine(e.host))}: ${lines[0] ?? ''}`,
    ...lines.slice(1).map((l) => `    ${l}`),
    ...(e.hint === undefined ? [] : safeLines(e.hint).map((l) => `    fix: ${l}`)),
  ]
}

function warningLines(e: WarningEvent, paint: Paint): string[] {
  const host = e.host === undefined ? '' : ` ${paint.bold(safeLine(e.host))}`
  return [
    `${paint.yellow(`warning[${e.code}]`)}${host}: ${safeLine(e.message)}`,
    ...(e.hint === undefined ? [] : [`    fix: ${safeLine(e.hint)}`]),
    ...(e.at === undefined ? [] : [`    at ${safeLine(e.at)}`]),
  ]
}

const columns = ['ok', 'changed', 'skipped', 'failed', 'unreachable', 'unknown', 'trips'] as const

function recapLines(e: RecapEvent, { check }: LineOptions, paint: Paint): string[] {
  const hosts = Object.entries(e.hosts)
  const width = Math.max(4, ...hosts.map(([name]) => widthOf(safeLine(name))))
  const cell = (c: Counts, k: (typeof columns)[number]) => {
    const text = `${k}=${c[k]}`.padEnd(k.length + 4)
    if (c[k] === 0 || k === 'ok' || k === 'trips' || k === 'skipped') return c[k] === 0 ? paint.dim(text) : text
    return k === 'failed' || k === 'unreachable' ? paint.red(text) : paint.yellow(text)
  }
  const rows = hosts.map(([name, counts]) => {
    const safe = safeLine(name)
    return `${safe}${' '.repeat(width - widthOf(safe))}  ${columns.map((k) => cell(counts, k)).join(' ')}`.trimEnd()
  })
  const state = e.interrupted ? ', interrupted' : ''
  return [
    '',
    paint.bold(`${check ? 'CHECK' : 'RECAP'}`) +
      paint.dim(` (${count(hosts.length, 'host')} in ${duration(e.duration_ms)}${state})`),
    ...rows,
  ]
}
