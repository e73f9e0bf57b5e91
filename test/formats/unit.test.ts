import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { printUnit, unitDirectives, unitWarnings } from '../../src/formats/unit.ts'

test('sections and directives in their order, a line for each value of a list', () => {
  const text = printUnit({
    Unit: { After: ['a.target', 'b.target'], Description: 'x = y' },
    Service: { PrivateTmp: true, NoNewPrivileges: false, RestartSec: 5, Environment: '' },
    'X-Mine': {},
  })
  assert.is(
    text,
    '[Unit]\nAfter=a.target\nAfter=b.target\nDescription=x = y\n\n[Service]\nPrivateTmp=yes\nNoNewPrivileges=no\nRestartSec=5\nEnvironment=\n\n[X-Mine]\n',
  )
  assert.equal(unitDirectives(text)[0], { section: 'Unit', name: 'After', value: 'a.target' })
})

test('nothing breaks out of its line', () => {
  for (const value of ['a\nExecStart=/bad', 'a\rb', 'ends with \\', { a: 1 }, null])
    assert.throws(() => printUnit({ Service: { ExecStart: value as never } }), RangeError)
  assert.throws(() => printUnit({ 'Service]\n[x': {} }), RangeError)
  assert.throws(() => printUnit({ Service: { 'a=b\nc': '1' } }), RangeError)
})

test('what systemd passes over is told, wherever it can be told from the file', () => {
  const warned = (text: string) => unitWarnings(text).map((w) => w.split(' ')[0])
  assert.equal(warned('[Service]\nCapabilities=\nStartLimitIntervalSec=60\nStartLimitBurst=3\n'), [
    'Capabilities',
    'StartLimitIntervalSec',
    'StartLimitBurst',
  ])
  assert.equal(warned('[Unit]\nStartLimitIntervalSec=60\nWantedBy=a\n[Install]\nAfter=b\n'), ['WantedBy', 'After'])
  assert.equal(unitWarnings('[Servce]\nA=b\n[X-Mine]\nA=b\n'), [
    'the section [Servce] is ignored: systemd knows none of that name',
  ])
  assert.equal(unitWarnings('A=b\n'), ['what stands before the first section is ignored'])
})

test('comments and lines that go on are read as systemd does', () => {
  assert.equal(unitDirectives('[Service]\n# Capabilities=x\n; Foo=y\nExecStart=/bin/a \\\n  Capabilities=b\n'), [
    { section: 'Service', name: 'ExecStart', value: '/bin/a    Capabilities=b' },
  ])
})

test.run()
