import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { type Block, blocks } from '../docs/markdown.ts'
import { bootLab, canBootLab } from './lab.ts'
import { runbook } from './runbook.ts'

// The README's playbook on a real host says what the README says it does, to the letter but for durations; those of
// docs/language.md are planned on one.

const reason = canBootLab()
const check = reason === undefined ? test : test.skip
if (reason !== undefined) console.log(`SKIP ${reason}`)

const isYamlList = ({ language, text }: Block) => language === 'yaml' && text.startsWith('- ')

const withoutTimes = (text: string) => text.replace(/ in [\d.]+ m?s\)/g, ' in …)').trim()

check('the README shows what happens, and examples are planned', async () => {
  const all = blocks('README.md')
  const dir = mkdtempSync(join(tmpdir(), 'readme-'))
  const lab = await bootLab(1)
  try {
    writeFileSync(join(dir, 'worker.yml'), all.find((b) => b.language === 'yaml')!.text)
    writeFileSync(join(dir, 'groups.yml'), 'all: { children: { workers: { hosts: { h1: } } } }\n')
    const shown = all.filter((b) => b.language === 'console')
    assert.is(shown.length, 2)
    for (const { text } of shown) {
      const [command, ...said] = text.split('\n')
      const args = /^\$ runbook (.*)$/.exec(command!)![1]!.split(' ')
      const done = runbook([...args, '-i', 'groups.yml'], lab, { cwd: dir })
      assert.is(withoutTimes(done.stdout), withoutTimes(said.join('\n')), done.stderr)
      if (args[0] === 'apply') lab.run('h1', ['sed', '-i', 's/threads=4/threads=1/', '/etc/worker/settings'])
    }
    const web = 'all: { children: { web: { hosts: { h1: } }, staging: } }\n'
    writeFileSync(join(dir, 'web.yml'), web)
    const taskFile = blocks('docs/language.md').find((b) => b.text.startsWith('name: web server\n'))!
    for (const folder of ['tasks', 'group_vars']) mkdirSync(join(dir, folder), { recursive: true })
    writeFileSync(join(dir, 'tasks/web-server.yml'), taskFile.text)
    writeFileSync(join(dir, 'group_vars/all.yml'), 'web_key: abc\n')
    for (const [i, { text }] of blocks('docs/language.md').filter(isYamlList).entries()) {
      const play = /^- .*\n {2}hosts:/.test(text) ? text : `- hosts: web\n  tasks:\n${text.replace(/^/gm, '    ')}`
      writeFileSync(join(dir, `play-${i}.yml`), play)
      const done = runbook(['check', `play-${i}.yml`, '-i', 'web.yml'], lab, { cwd: dir })
      assert.is(done.status, 2, `${text}${done.stdout}${done.stderr}`)
    }
    assert.match(readFileSync(join(lab.hosts[0]!.root, 'etc/worker/settings'), 'utf8'), 'threads=1')
  } finally {
    lab.stop()
    rmSync(dir, { recursive: true, force: true })
  }
})

test.run()
