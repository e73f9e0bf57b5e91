import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { bootLab, canBootLab } from '../lab/lab.ts'
import { ourselves } from './contestants.ts'
import { writeBenchFiles } from './files.ts'
import { measureCrowd, tripsOf } from './more.ts'

const reason = canBootLab()
if (reason !== undefined) console.log(`SKIP ${reason}`)
const check = reason === undefined ? test : test.skip

check('the twenty tasks take few trips, and many connections to one sshd all come about', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'trips-'))
  writeBenchFiles(dir)
  const us = ourselves(dir)
  const lab = await bootLab(1)
  try {
    const first = tripsOf((await us.run(lab, 'apply')).stdout)
    assert.ok(first <= 4, `a first run takes ${first} trips`)
    // one command runs every time: without it there would be none
    assert.is(tripsOf((await us.run(lab, 'apply')).stdout), 1)
    const checked = await us.run(lab, 'check')
    assert.is(checked.status, 0)
    assert.is(tripsOf(checked.stdout), 0)
    const crowd = await measureCrowd(lab, join(dir, 'runbook.yml'), dir)
    assert.equal([crowd.connections, crowd.failed], [20, 0])
    assert.ok(crowd.peakMb < 250, `${crowd.peakMb} MB`)
  } finally {
    lab.stop()
    rmSync(dir, { recursive: true, force: true })
  }
})

test.run()
