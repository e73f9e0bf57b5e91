import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { run, scratchDir } from './scratch.ts'

const scratch = scratchDir()

const fight = (file: string) => `- name: play
  hosts: all
  tasks:
    - name: one way
      copy: { content: "same\\none\\n", dest: ${scratch}/${file} }
    - name: other way
      copy: { content: "same\\nother\\n", dest: ${scratch}/${file} }
`

test('two tasks that fight are named with what each does; with --diff with what they fight over', async () => {
  for (const mode of ['check', 'apply'] as const) {
    const { warnings } = await run(mode, fight(mode))
    assert.is(warnings.length, 1)
    assert.match(warnings[0]!, /never-converges: task "one way" \(.*:4\) and task "other way" \(.*:6\) never converge/)
    assert.not.match(warnings[0]!, '`')
    const shown = await run(mode, fight(`${mode} diff`), { diff: true })
    assert.match(shown.warnings[0]!, '(`other` → `one`)')
  }
})

test('who only came into the same directory later is not named', async () => {
  const mode = (mode: string) => `file: { path: ${scratch}/in, state: directory, mode: '${mode}' }`
  const inside = (name: string) => `copy: { content: x, dest: ${scratch}/in/${name} }`
  const { warnings } = await run(
    'apply',
    `- hosts: all
  tasks:
    - { name: one, ${mode('0700')} }
    - { name: two, ${mode('0755')} }
    - { name: beside, ${inside('f')} }
    - { name: later, ${inside('g')} }
`,
  )
  assert.is(warnings.length, 1)
  assert.match(warnings[0]!, /task "one" .* and task "two"/)
})

test('a link into the directory that it is in shows what that becomes', async () => {
  const at = `${scratch}/around`
  const play = `- hosts: all
  tasks:
    - { name: outer, file: { path: ${at}, state: directory, mode: '0755' } }
`
  await run('apply', play)
  const link = `${play}    - { name: link, file: { path: ${at}/self, src: ., state: link } }
    - { name: by it, file: { path: ${at}/self, state: directory, mode: '0700' } }
`
  const { warnings } = await run('check', link)
  assert.is(warnings.length, 1, 'the directory itself is fought over, and nothing else')
  assert.match(warnings[0]!, /task "outer" .* and task "by it"/)
})

test('under --strict they are a failure', async () => {
  const { recap } = await run('apply', fight('strict'), { strict: true })
  assert.is(recap.hosts.here!.failed, 1)
})

test.run()
