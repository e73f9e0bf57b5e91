import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { serviceEnd } from '../../src/formats/service-end.ts'

// The lines are as systemd 252 wrote them.

const told = (log: string) => {
  const reason = serviceEnd(log)
  return reason && `${reason.message} | ${reason.hint}`
}

const cases: readonly (readonly [string, RegExp])[] = [
  [
    'x.service: Main process exited, code=exited, status=243/CREDENTIALS',
    /^a credential .*not there.* \| .*LoadCredential=/,
  ],
  [
    'x.service: Failed to load environment files: No such file or directory',
    /EnvironmentFile= .*: No such file or directory \|/,
  ],
  [
    'x.service: Failed to locate executable /usr/local/bin/bao: No such file or directory',
    /^its program \/usr\/local\/bin\/bao cannot/,
  ],
  ['x.service: Main process exited, code=exited, status=203/EXEC', /^its program cannot be run/],
  ['x.service: Main process exited, code=exited, status=217/USER', /^the user of its unit .* User=$/],
  ['x.service: Main process exited, code=exited, status=216/GROUP', /^the group of its unit .* Group=$/],
  [
    'x.service - X was skipped because of an unmet condition check (ConditionFileNotEmpty=/etc/vault.d/vault.hcl).',
    /^\/etc\/vault.d\/vault.hcl is not there, or is empty,/,
  ],
  ['x.service - X was skipped because of an unmet condition check (ConditionPathExists=/a).', /^\/a is not there, and/],
  ["x.service: Failed with result 'oom-kill'.", /no memory/],
  ['x.service: Start request repeated too quickly.', /too often .*journalctl -u/],
]

test('what systemd says is told in a sentence, with the fix', () => {
  for (const [line, pattern] of cases) assert.match(told(`x.service: one\n${line}\nx.service: last`) ?? '', pattern)
})

test('a condition that a path is not there, and an end like any other, say nothing more', () => {
  for (const line of [
    'x.service - X was skipped because of an unmet condition check (ConditionPathExists=!/a).',
    'x.service: Main process exited, code=exited, status=1/FAILURE',
    '',
  ])
    assert.is(told(line), undefined)
})

test.run()
