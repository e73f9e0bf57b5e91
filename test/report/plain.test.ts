import { test } from 'uvu'
import * as assert from 'uvu/assert'
import type { Event } from '../../src/report/events.ts'
import type { LineOptions } from '../../src/report/lines.ts'
import { quietOutput } from '../../src/report/output.ts'
import { plainReporter } from '../../src/report/plain.ts'
import { applied, checked, converged, Recorder, taskEvent } from './recorded.ts'

async function plain(events: readonly Event[], options: Partial<LineOptions> = {}): Promise<string> {
  const stream = new Recorder()
  const reporter = plainReporter(quietOutput(stream), { color: false, verbose: 0, check: false, ...options })
  for (const event of events) reporter.report(event)
  await reporter.end()
  return stream.text
}

test('an apply: what changed, failed or was lost, the recap, and what it came to', async () => {
  assert.is(
    await plain(applied),
    `
PLAY web servers (3 hosts)
changed h1: motd
    replace /etc/motd (12 bytes)
    mode 0644 of /etc/motd (was 0600)
    --- /etc/motd
    +++ /etc/motd
    @@ -1,2 +1,2 @@
         kept
    -old→   1␍
    +new 
    \\ No newline at end of file
changed h1: build [app]
    run make
ok h1: say
    one·[31m
    two
failed (ignored) web-2: motd
    no
    at site.yml:9
warning[never-converges] web-2: task "a" and task "b" never converge
    at site.yml:30
    fix: keep one of the two
failed web-2: start
    run start: exit status 3:
    | line one
    | line two
    at site.yml:9
    fix: create it first
unreachable h3: connection refused
    fix: is sshd running?
changed h1: restart (handler)
    restart app.service

RECAP (3 hosts in 1 min 2 s)
h1     ok=1  changed=3  skipped=0  failed=0  unreachable=0  trips=2
web-2  ok=1  changed=0  skipped=1  failed=1  unreachable=0  trips=12
h3     ok=0  changed=0  skipped=0  failed=0  unreachable=1  trips=0

3 changes on 1 host
failed: web-2
unreachable: h3
1 warning
`,
  )
})

test('-v: every task with its time and the end of what its command said; -vv all that was kept, and each step', async () => {
  const [quiet, v, vv] = await Promise.all([0, 1, 2].map((verbose) => plain(applied, { verbose })))
  assert.not.match(quiet!, /said|when: build|61/)
  assert.match(
    v!,
    'changed h1: build [app] (1 min 1 s)\n    run make\n    | … 2 lines before, -vv shows more\n    | said 3\n',
  )
  assert.match(v!, 'skipped web-2: build\n    when: build\n')
  assert.not.match(v!, 'starts')
  assert.match(vv!, 'starts h1: build: run make\n')
  assert.match(vv!, '    | said 1\n')
})

test('a long diff is cut, with -v it is whole', async () => {
  const diff = Array.from({ length: 150 }, (_, i) => `+${i + 1}\n`).join('')
  const event = taskEvent('h1', 'a', { status: 'changed', diff })
  assert.match(await plain([event]), '    +100\n    … 50 lines more, -v shows them\n')
  assert.match(await plain([event], { verbose: 1 }), '    +150\n')
})

test('a check says what would be made, and what only an apply can tell', async () => {
  const text = await plain(checked, { check: true })
  assert.match(text, 'would change h1: motd\n    create /etc/motd (6 bytes)\n')
  assert.match(text, 'unknown h1: after\n    known only after apply: run make install\n')
  assert.match(text, 'h1  ok=0  changed=1  skipped=0  failed=0  unknown=2  trips=1\n')
  assert.match(text, '\n2 changes on 2 hosts would be made\n4 tasks known only after apply')
})

test('that all is well is said in so many words', async () => {
  assert.ok((await plain(converged('apply'))).endsWith('\n\nnothing to change\n'))
  assert.ok((await plain(converged('check'), { check: true })).endsWith('\n\nnothing would change\n'))
})

test('no escape without colours, and with them only colours', async () => {
  assert.not.match(await plain(applied, { verbose: 2 }), '\x1b')
  const painted = await plain(applied, { verbose: 2, color: true })
  assert.match(painted, '\x1b[31mfailed\x1b[39m')
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are what is meant
  assert.is(painted.replace(/\x1b\[\d+m/g, ''), await plain(applied, { verbose: 2 }))
})

test('the names of many failed hosts are cut short', async () => {
  const hosts = Array.from({ length: 12 }, (_, i) => `n${i}`)
  const counts = { ok: 0, changed: 0, skipped: 0, failed: 1, unreachable: 0, unknown: 0, trips: 1 }
  const text = await plain([
    ...hosts.map((h) => taskEvent(h, 'x', { status: 'failed', message: 'no' })),
    { event: 'recap', hosts: Object.fromEntries(hosts.map((h) => [h, counts])), duration_ms: 1, interrupted: true },
  ])
  assert.match(text, 'failed: n0, n1, n2, n3, n4, n5, n6, n7, n8, n9 and 2 more\ninterrupted:')
})

test.run()
