import { spawnSync } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { composeRequest } from '../../src/host/read.ts'
import { installedPackage, type Package, packageLatest } from '../../src/host/reads/package.ts'

/** Asks on a machine whose programs are stand-ins, which answer what the real ones were seen to. */
function ask(programs: Readonly<Record<string, string>>, reads: ReturnType<typeof installedPackage>[]): Package[] {
  const dir = mkdtempSync(join(tmpdir(), 'package-'))
  try {
    mkdirSync(join(dir, 'bin'))
    for (const tool of ['find', 'grep', 'cut', 'tail']) programs = { ...programs, [tool]: `exec /usr/bin/${tool} "$@"` }
    for (const [name, script] of Object.entries(programs)) {
      writeFileSync(join(dir, 'bin', name), `#!/bin/sh\n${script}\n`)
      chmodSync(join(dir, 'bin', name), 0o755)
    }
    const request = composeRequest(reads, () => '')
    const done = spawnSync('/bin/sh', ['-c', `exec 3>&1\n${request.script}`], {
      env: { PATH: join(dir, 'bin'), d: dir },
      maxBuffer: 1 << 20,
    })
    const answers = request.parse(done.stdout)
    return reads.map((r) => answers.get(r.key) as Package)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

// stand-ins for rpm and dnf, which do not run on Debian
const rpm = `case "$*" in *--whatprovides*webserver) printf 'installed\\t2.4.57-8.el9\\n';;
*--whatprovides*) echo "no package provides it"; exit 1;;
*openssl-3.0.7) printf 'installed\\t1:3.0.7-27.el9\\n';; *openssl) printf 'installed\\t1:3.0.7-27.el9\\n';;
*kernel) printf 'installed\\t5.14.0-1.el9\\ninstalled\\t5.14.0-2.el9\\n';;
*) echo "package is not installed"; exit 1;; esac`
const dnf = `test "$*" = '-q -C repoquery --latest-limit=1 --qf %{name}\\t%{evr}\\n -- openssl' && printf 'openssl\\t1:3.0.7-28.el9\\n'`

test('rpm says what is installed, also by version or by what it provides; dnf says what is latest', () => {
  const names = ['openssl', 'openssl-3.0.7', 'openssl-9', 'webserver', 'kernel', 'none']
  const found = ask({ rpm, dnf }, names.map(installedPackage))
  assert.equal(
    found.map((p) => p.installed),
    ['1:3.0.7-27.el9', '1:3.0.7-27.el9', '', '2.4.57-8.el9', '5.14.0-2.el9', ''],
  )
  const [latest] = ask({ rpm, dnf }, [packageLatest('openssl')])
  assert.equal([latest?.installed, latest?.candidate], ['1:3.0.7-27.el9', '1:3.0.7-28.el9'])
})

test('a host with no package database has nothing installed', () => {
  assert.equal(ask({}, [installedPackage('x')]), [{ name: 'x', installed: '', candidate: undefined }])
})

test.run()
