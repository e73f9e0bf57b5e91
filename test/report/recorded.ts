import type { Event, TaskEvent } from '../../src/report/events.ts'
import type { TextStream } from '../../src/report/output.ts'

export const play = 'web servers'

export function taskEvent(host: string, task: string, more: Partial<TaskEvent> = {}): TaskEvent {
  return {
    event: 'task',
    host,
    play,
    task,
    module: 'shell',
    status: 'ok',
    changes: [],
    ms: 0,
    at: 'site.yml:9',
    ...more,
  }
}

const none = { ok: 0, changed: 0, skipped: 0, failed: 0, unreachable: 0, unknown: 0, trips: 0 }

/** An apply in which everything happens that can be told. */
export const applied: readonly Event[] = [
  { event: 'run', mode: 'apply', playbooks: ['site.yml'], version: '1.0.0' },
  { event: 'play', play, hosts: ['h1', 'web-2', 'h3'], tasks: ['motd', 'build', 'say', 'start', 'restart'] },
  ...['h1', 'web-2', 'h3'].map((host) => ({ event: 'turn', host, play, over: false }) as const),
  taskEvent('h1', 'motd', {
    module: 'copy',
    status: 'changed',
    changes: ['replace /etc/motd (12 bytes)', 'mode 0644 of /etc/motd (was 0600)'],
    ms: 14,
    diff: '--- /etc/motd\n+++ /etc/motd\n@@ -1,2 +1,2 @@\n \tkept\n-old\t1\r\n+new \n\\ No newline at end of file\n',
  }),
  { event: 'progress', host: 'h1', play, task: 'build', step: 'run make' },
  taskEvent('h1', 'build', { status: 'changed', changes: ['run make'], ms: 61_000, said: lines(12), item: 'app' }),
  taskEvent('h1', 'say', { module: 'debug', output: 'one\x1b[31m\ntwo\n' }),
  taskEvent('web-2', 'motd', { status: 'failed', ignored: true, message: 'no', module: 'copy' }),
  taskEvent('web-2', 'build', { status: 'skipped', message: 'when: build' }),
  {
    event: 'warning',
    code: 'never-converges',
    host: 'web-2',
    message: 'task "a" and task "b" never converge',
    hint: 'keep one of the two',
    at: 'site.yml:30',
  },
  taskEvent('web-2', 'start', {
    status: 'failed',
    message: 'run start: exit status 3:\nline one\nline two',
    hint: 'create it first',
  }),
  { event: 'host', host: 'h3', status: 'unreachable', message: 'connection refused', hint: 'is sshd running?' },
  taskEvent('h1', 'restart', { status: 'changed', handler: true, changes: ['restart app.service'], ms: 300 }),
  ...['h1', 'web-2', 'h3'].map((host) => ({ event: 'turn', host, play, over: true }) as const),
  {
    event: 'recap',
    hosts: {
      h1: { ...none, ok: 1, changed: 3, trips: 2 },
      'web-2': { ...none, ok: 1, skipped: 1, failed: 1, trips: 12 },
      h3: { ...none, unreachable: 1 },
    },
    duration_ms: 61_500,
  },
]

/** A check that finds changes, and tasks of which it cannot tell. */
export const checked: readonly Event[] = [
  { event: 'run', mode: 'check', playbooks: ['site.yml'], version: '1.0.0' },
  { event: 'play', play, hosts: ['h1', 'h2'], tasks: ['motd', 'after', 'say'] },
  ...['h1', 'h2'].flatMap((host): Event[] => [
    taskEvent(host, 'motd', { module: 'copy', status: 'changed', changes: ['create /etc/motd (6 bytes)'] }),
    taskEvent(host, 'after', { status: 'unknown', message: 'run make install' }),
    taskEvent(host, 'say', { module: 'debug', status: 'unknown', harmless: true, message: 'the output of `make`' }),
  ]),
  {
    event: 'recap',
    hosts: { h1: { ...none, changed: 1, unknown: 2, trips: 1 }, h2: { ...none, changed: 1, unknown: 2, trips: 1 } },
    duration_ms: 80,
  },
]

/** All is as it should be. */
export const converged = (mode: 'apply' | 'check'): readonly Event[] => [
  { event: 'run', mode, playbooks: ['site.yml'], version: '1.0.0' },
  { event: 'play', play, hosts: ['h1'], tasks: ['motd'] },
  taskEvent('h1', 'motd', { module: 'copy' }),
  { event: 'recap', hosts: { h1: { ...none, ok: 1, trips: 1 } }, duration_ms: 12 },
]

function lines(count: number): string {
  return Array.from({ length: count }, (_, i) => `said ${i + 1}`).join('\n')
}

/** Keeps what is written to it. */
export class Recorder implements TextStream {
  readonly isTTY = true
  columns = 80
  rows = 24
  readonly writes: string[] = []

  write(text: string, done?: () => void): boolean {
    this.writes.push(text)
    done?.()
    return true
  }

  on(): this {
    return this
  }

  get text(): string {
    return this.writes.join('')
  }
}
