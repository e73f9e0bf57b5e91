import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compareVersions, isLesser, parseBuild, releaseOf, saidBuild } from '../../src/vault/release.ts'

test('what a program says of itself', () => {
  assert.equal(saidBuild('Vault v1.15.0+ent.hsm (ab12), built 2023-09-22T16:53:10Z\n'), {
    product: 'Vault',
    version: '1.15.0',
    edition: 'ent.hsm',
  })
  const bao = 'OpenBao v2.7.2 (9e0a0d3c3504a0a00b45e61355afac5e35c78379), committed 2026-10-26T20:32:27Z\n'
  assert.equal(saidBuild(bao), { product: 'OpenBao', version: '2.7.2', edition: '' })
  assert.equal(saidBuild('a warning\nVault v1.16.0-rc1\n'), { product: 'Vault', version: '1.16.0-rc1', edition: '' })
  for (const other of ['', 'Consul v1.2.3', 'Vault', 'Vault v1.2', 'x Vault v1.2.3'])
    assert.is(saidBuild(other), undefined)
})

test('what the name of an archive says', () => {
  const hsm = { binary: 'vault', version: '1.5.0', edition: 'ent.hsm', architecture: 'x86_64' }
  assert.equal(releaseOf('vault_1.5.0+ent.hsm_linux_amd64.zip'), hsm)
  assert.equal(releaseOf('https://x.example/vault/vault_1.5.0%2Bent.hsm_linux_amd64.zip?a=b_9.9.9_'), hsm)
  assert.equal(releaseOf('/srv/bao_2.7.2_Linux_x86_64.tar.gz'), {
    ...{ binary: 'bao', version: '2.7.2', edition: '', architecture: 'x86_64' },
  })
  assert.is(releaseOf('vault_1.15.0_linux_arm64.zip').architecture, 'aarch64')
  assert.equal(releaseOf('vault_1.16.0-rc1_linux_386.zip'), {
    ...{ binary: 'vault', version: '1.16.0-rc1', edition: '', architecture: 'i686' },
  })
  assert.equal(releaseOf('vault_1.2.3.zip'), { binary: 'vault', version: '1.2.3', edition: '' })
  assert.equal(releaseOf('vault.zip'), { binary: 'vault' })
  assert.equal(releaseOf('%.zip'), {})
})

test('versions in their order', () => {
  const rising = '1.2.9 1.2.10-alpha 1.2.10-alpha.1 1.2.10-beta.2 1.2.10-beta.11 1.2.10-rc1 1.2.10 1.10.0 2.0.0'.split(
    ' ',
  )
  rising.forEach((a, i) => {
    rising.forEach((b, k) => {
      assert.is(Math.sign(compareVersions(a, b)), Math.sign(i - k), `${a} ${b}`)
    })
  })
})

test('less than what is there', () => {
  const less = (now: string, next: string) => isLesser(parseBuild(now)!, parseBuild(next)!)
  assert.match(less('1.15.1', '1.15.0')!, /older/)
  assert.match(less('1.15.0+ent.hsm', '1.16.0')!, /lacks .*ent, hsm/)
  assert.match(less('1.15.0+ent.hsm', '1.15.0+ent')!, /lacks .*\(hsm\)/)
  assert.is(less('1.15.0', '1.15.0+ent.hsm'), undefined)
  assert.is(less('1.15.0+ent.hsm', '1.15.1+ent.hsm.fips1402'), undefined)
  assert.is(parseBuild('1.15'), undefined)
})

test.run()
