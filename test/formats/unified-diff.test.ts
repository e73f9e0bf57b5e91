import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { unifiedDiff } from '../../src/formats/unified-diff.ts'

const diff = (before: string | Buffer | undefined, after: string | Buffer | undefined) =>
  unifiedDiff(
    '/f',
    before === undefined ? undefined : Buffer.from(before),
    after === undefined ? undefined : Buffer.from(after),
  )

test('what is the same has no diff', () => {
  assert.is(diff('a\n', 'a\n'), undefined)
  assert.is(diff(undefined, undefined), undefined)
})

test('a new file, one that goes, a missing final newline, CRLF', () => {
  assert.is(diff(undefined, 'a\n'), '--- /dev/null\n+++ /f\n@@ -0,0 +1,1 @@\n+a\n')
  assert.is(diff('a\n', undefined), '--- /f\n+++ /dev/null\n@@ -1,1 +0,0 @@\n-a\n')
  assert.is(diff('a\n', 'a'), '--- /f\n+++ /f\n@@ -1,1 +1,1 @@\n-a\n+a\n\\ No newline at end of file\n')
  assert.is(diff('a\r\nb\n', 'a\nb\n'), '--- /f\n+++ /f\n@@ -1,2 +1,2 @@\n-a\r\n+a\n b\n')
})

test('binary content is never shown', () => {
  assert.is(diff('text', Buffer.from([1, 0])), '/f: no text to compare (4 bytes before, 2 after)\n')
  assert.is(diff(undefined, Buffer.from([0xff, 10])), '/f: no text to compare (0 bytes before, 2 after)\n')
})

test('a long one is cut, and one that would take too long is not made', () => {
  const lines = (n: number, word: string) => Array.from({ length: n }, (_, i) => `${word} ${i}\n`).join('')
  const cut = diff('', lines(1000, 'x'))!.split('\n')
  assert.is(cut.length, 402)
  assert.is(cut[400], '(… 604 lines more)')
  // of this process: others may be busy meanwhile
  const before = process.cpuUsage()
  assert.match(diff(lines(60_000, 'a'), lines(60_000, 'b'))!, /^\/f: too much differs to be shown \(\d+ bytes before/)
  const { user, system } = process.cpuUsage(before)
  assert.ok(user + system < 10_000_000, `${(user + system) / 1000} ms of CPU`)
})

test.run()
