import { availableParallelism, cpus, totalmem } from 'node:os'
import type { Crowd, Distance } from './more.ts'
import type { Startup } from './startup.ts'

export interface Numbers {
  readonly date: string
  readonly hosts: number
  readonly versions: Readonly<Record<string, string>>
  /** Medians, by `TOOL first|apply|check`. */
  readonly seconds: Readonly<Record<string, number>>
  readonly rounds: Readonly<Record<string, number>>
  /** Of the host that took the most. */
  readonly trips: { readonly first: number; readonly converged: number }
  readonly startup: Startup
  readonly distance: Distance
  readonly crowd: Crowd
}

interface Judged {
  readonly what: string
  readonly measured: string
  readonly target: string
  readonly holds: boolean
}

/** The targets that were set, with what was measured; what was not measured is left out. */
export function judged(n: Numbers): Judged[] {
  const all: (Judged | undefined)[] = []
  const times = (what: string, mine: string, tool: string, theirs: string, least: number) => {
    const [a, b] = [n.seconds[`runbook ${mine}`], n.seconds[`${tool} ${theirs}`]]
    if (a === undefined || b === undefined) return
    const ratio = b / a
    all.push({ what, measured: `${ratio.toFixed(1)} times`, target: `${least} times`, holds: ratio >= least })
  }
  const most = (what: string, value: number, limit: number, unit: string, digits = 0) =>
    all.push({
      what,
      measured: `${value.toFixed(digits)}${unit}`,
      target: `at most ${limit}${unit}`,
      holds: value <= limit,
    })
  for (const mine of ['apply', 'check']) {
    // who has no check is measured against by its apply
    const theirs = (tool: string) => (n.seconds[`${tool} ${mine}`] === undefined ? 'apply' : mine)
    const name = mine === 'apply' ? 'converged apply' : 'check'
    times(`${name}, quicker than ansible-core`, mine, 'ansible-core', theirs('ansible-core'), 50)
    times(`${name}, quicker than Mitogen`, mine, 'Mitogen', theirs('Mitogen'), 15)
    times(`${name}, quicker than pyinfra`, mine, 'pyinfra', theirs('pyinfra'), 6)
    most(`${name}, of the floor's time`, n.seconds[`runbook ${mine}`]! / n.seconds['floor apply']!, 1.5, ' times', 2)
  }
  times('first run, quicker than ansible-core', 'first', 'ansible-core', 'first', 15)
  times('first run, quicker than Mitogen', 'first', 'Mitogen', 'first', 4)
  times('first run, quicker than pyinfra', 'first', 'pyinfra', 'first', 2)
  most('trips, converged', n.trips.converged, 2, '')
  most('trips, first run', n.trips.first, 4, '')
  most('converged apply at 50 ms, of the time of `ssh HOST true`', n.distance.apply / n.distance.ssh, 1.4, ' times', 2)
  most('50 tasks, 50 hosts, before connecting, over bare node', n.startup.validate - n.startup.node, 120, ' ms')
  most('`--help`, over bare node', n.startup.help - n.startup.node, 40, ' ms')
  most('an inventory of 5,000 hosts', n.startup.hosts / 1000, 1.5, ' s', 2)
  most('200 connections: that failed', n.crowd.failed, 0, '')
  most('200 connections: memory of the controller', n.crowd.peakMb, 250, ' MB')
  return all.filter((j) => j !== undefined)
}

const columns = ['first', 'apply', 'check'] as const

/** Markdown. */
export function reportOf(n: Numbers): string[] {
  const tools = Object.keys(n.versions)
  const cell = (tool: string, what: string) => {
    const seconds = n.seconds[`${tool} ${what}`]
    const mine = n.seconds[`runbook ${what}`]
    if (seconds === undefined) return ''
    const ratio = tool === 'runbook' || mine === undefined ? '' : ` (${(seconds / mine).toFixed(1)}×)`
    return `${seconds.toFixed(2)} s${ratio}`
  }
  return [
    `Twenty tasks on ${n.hosts} hosts, ${n.date}, ${availableParallelism()} cores (${cpus()[0]?.model ?? 'unknown'}), ${Math.round(totalmem() / 2 ** 30)} GB, hosts and controller on one machine. Medians of the whole process; in brackets how many times runbook's.`,
    '',
    '| | version | first run | converged apply | check |',
    '|---|---|---|---|---|',
    ...tools.map((t) => `| ${t} | ${n.versions[t]} | ${columns.map((c) => cell(t, c)).join(' | ')} |`),
    '',
    `Rounds: ${Object.entries(n.rounds)
      .map(([k, count]) => `${k} ${count}`)
      .join(', ')}.`,
    '',
    `Bare node ${n.startup.node.toFixed(0)} ms, \`--help\` ${n.startup.help.toFixed(0)} ms, \`validate\` of 50 tasks on 50 hosts ${n.startup.validate.toFixed(0)} ms, \`hosts\` of 5,000 ${n.startup.hosts.toFixed(0)} ms. At a round-trip time of 50 ms: \`ssh HOST true\` ${n.distance.ssh.toFixed(0)} ms, a converged apply ${n.distance.apply.toFixed(0)} ms. ${n.crowd.connections} connections: ${n.crowd.seconds.toFixed(1)} s.`,
    '',
    '| target | measured | wanted | holds |',
    '|---|---|---|---|',
    ...judged(n).map((j) => `| ${j.what} | ${j.measured} | ${j.target} | ${j.holds ? 'yes' : '**no**'} |`),
  ]
}
