import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { installedPackage, type Package, packageLatest } from '../../src/module.ts'
import { plan, scriptOf } from './plan.ts'

const packages: Record<string, Partial<Package>> = {
  hello: { installed: '2.10-3', candidate: '2.10-3' },
  old: { installed: '1:1.0-1', candidate: '1:1.1-1' },
  new: { installed: '', candidate: '5' },
  awk: { installed: '1.3', provided: true },
  'gir1.2-gtk-3.0': { installed: '3' },
}

const of = (params: object, facts = {}) =>
  plan('package', params, {
    facts,
    answers: Object.entries(packages).flatMap(([name, p]) => {
      const now = { name, installed: '', candidate: undefined, ...p }
      return [
        [installedPackage(name), { ...now, candidate: undefined }] as const,
        [packageLatest(name), now] as const,
        [packageLatest(name, true), now] as const,
      ]
    }),
  })
const steps = async (params: object, facts = {}) => (await of(params, facts)).steps

test('installs what is missing, all in one go, and nothing else', async () => {
  const one = await of({ name: 'new' })
  assert.equal([one.steps, one.again], [['install new'], []])
  // what else comes or goes with it only the package manager knows
  const found = await of({ name: ['hello', 'new', 'awk', 'gir1.2-gtk-3.0'] })
  assert.equal([found.steps, found.again], [['install new'], ['known only after apply: install new']])
  assert.equal(await steps({ name: 'hello,awk' }), [])
  assert.equal(await steps({ name: 'new', update_cache: true }), ['apt-get update of the package lists', 'install new'])
  assert.equal(await steps({ name: 'hello', update_cache: true }), [])
})

test('latest updates what is older than what the lists offer', async () => {
  assert.equal(await steps({ name: ['hello', 'old', 'new'], state: 'latest' }), ['install new, old'])
  assert.equal((await of({ name: ['old', 'new'], state: 'latest' })).again, [])
  assert.equal(await steps({ name: 'old', state: 'latest', update_cache: true }), ['install old'])
})

test('a version is had exactly, or by a pattern', async () => {
  assert.equal(await steps({ name: 'hello=2.10-3' }), [])
  assert.equal(await steps({ name: 'hello=2.10*' }), [])
  assert.equal(await steps({ name: 'hello=2.9-1' }), ['install hello=2.9-1'])
  assert.equal(await steps({ name: 'hello=2.10' }), ['install hello=2.10'])
})

test('absent removes what is installed; what only provides the name stays', async () => {
  assert.equal(await steps({ name: ['hello', 'new', 'awk'], state: 'absent' }), ['remove hello'])
  assert.equal((await of({ name: 'hello', state: 'absent' })).again, [])
  assert.equal(await steps({ name: 'hello', state: 'removed' }), ['remove hello'])
})

test('apt asks nobody and keeps configuration files', async () => {
  const script = scriptOf((await of({ name: 'hello=2.9-1' })).plan!.steps[0]!)
  for (const part of ['noninteractive', "'-y'", 'force-confold', 'allow-downgrades', "'--' 'hello=2.9-1'"])
    assert.ok(script.includes(part), `${part} in ${script}`)
})

test('dnf installs and upgrades; another package manager is not known', async () => {
  const facts = { package_manager: 'dnf' }
  assert.equal(await steps({ name: ['old', 'new'], state: 'latest' }, facts), ['install new', 'upgrade old'])
  assert.match((await of({ name: 'hello' }, { package_manager: 'apk' })).failed ?? '', /managed by apk/)
})

test('what is no name of a package is refused: a pattern would mean all of them', async () => {
  for (const name of ['*', 'a*', './x.deb', '-f', 'foo-'])
    assert.match((await of({ name })).failed ?? '', /no name of a package/)
})

test.run()
