import type { Event, PlayEvent, TaskEvent } from './events.ts'
import { plural, safeLine, widthOf } from './screen-text.ts'

export interface Row {
  readonly text: string
  readonly state: 'going' | 'done' | 'failed'
}

interface Host {
  readonly name: string
  doing: string
  /** The task whose step runs. */
  running: string
  tasks: number
  changed: number
  last: string
  state: Row['state']
}

const widestName = 30

/** What is shown of a play while it runs: a row a host. Where there are more hosts than rows, the first row sums up and
 * the others show the hosts at work. */
export class PlayRows {
  readonly count: number
  readonly #hosts = new Map<string, Host>()
  /** The host in each row. */
  readonly #rows: (Host | undefined)[]
  readonly #tasks: number
  readonly #width: number
  readonly #summed: boolean
  #over = false

  constructor(play: PlayEvent, most: number) {
    this.#tasks = play.tasks.length
    this.#summed = play.hosts.length > most
    this.count = Math.min(play.hosts.length, most)
    for (const name of play.hosts)
      this.#hosts.set(name, { name, doing: 'waiting', running: '', tasks: 0, changed: 0, last: '', state: 'going' })
    this.#rows = this.#summed ? new Array(Math.max(0, most - 1)).fill(undefined) : [...this.#hosts.values()]
    this.#width = Math.min(widestName, Math.max(0, ...play.hosts.map((name) => widthOf(safeLine(name)))))
  }

  note(event: Event): void {
    if (!('host' in event) || event.host === undefined) return
    const host = this.#hosts.get(event.host)
    if (!host) return
    if (event.event === 'turn') this.#turn(host, event.over)
    else if (event.event === 'progress') {
      host.running = event.task
      host.doing = `${event.task}: ${event.step}`
    } else if (event.event === 'task') this.#task(host, event)
    else if (event.event === 'host') fell(host, `${event.status}: ${event.message}`)
  }

  /** No row changes any more. */
  end(): void {
    this.#over = true
  }

  row(index: number): Row {
    if (this.#summed && index === 0) return this.#summary()
    const host = this.#rows[this.#summed ? index - 1 : index]
    if (!host) return { text: '', state: this.#over ? 'done' : 'going' }
    const name = safeLine(host.name)
    const pad = ' '.repeat(Math.max(0, this.#width - widthOf(name)))
    const going = host.state === 'going' && !this.#over
    return {
      text: `${name}${pad}  ${this.#news(host)}`,
      state: going ? 'going' : host.state === 'going' ? 'done' : host.state,
    }
  }

  #news(host: Host): string {
    if (host.state === 'failed') return safeLine(host.doing)
    if (host.state === 'done') return host.changed > 0 ? plural(host.changed, 'change') : 'nothing to change'
    const done = Math.min(host.tasks, this.#tasks)
    return `${done}/${this.#tasks}  ${safeLine(host.doing)}`
  }

  #summary(): Row {
    const hosts = [...this.#hosts.values()]
    const ended = hosts.filter((h) => h.state !== 'going').length
    const failed = hosts.filter((h) => h.state === 'failed').length
    const changed = hosts.reduce((sum, h) => sum + h.changed, 0)
    const counts = [plural(changed, 'change'), ...(failed > 0 ? [`${failed} failed`] : [])].join(', ')
    return { text: `${ended}/${plural(hosts.length, 'host')} done, ${counts}`, state: this.#over ? 'done' : 'going' }
  }

  #turn(host: Host, over: boolean): void {
    if (!over) host.doing = 'connects'
    else if (host.state === 'going') host.state = 'done'
    if (!this.#summed) return
    const at = this.#rows.indexOf(over ? host : undefined)
    if (at !== -1) this.#rows[at] = over ? undefined : host
  }

  #task(host: Host, event: TaskEvent): void {
    if (event.item === undefined || event.task !== host.last) host.tasks++
    host.last = event.task
    if (event.status === 'changed') host.changed++
    if ((event.status === 'failed' && !event.ignored) || event.status === 'unreachable')
      fell(host, `${event.status}: ${event.task}${event.message === undefined ? '' : `: ${event.message}`}`)
    else if (host.running === '' || host.running === event.task) {
      // a step is often told to run before the end of the one before it is
      host.running = ''
      host.doing = event.task
    }
  }
}

function fell(host: Host, why: string): void {
  if (host.state === 'failed') return
  host.state = 'failed'
  host.doing = why
}
