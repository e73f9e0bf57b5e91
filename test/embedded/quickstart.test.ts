import { spawn, spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import ssh2 from 'ssh2'
import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { newKeyPair } from './key-pair.ts'

// The hosts run in a process of their own: this one waits for the command line.
interface Embedded {
  readonly dir: string
  readonly runbook: (...args: string[]) => { status: number; stdout: string; stderr: string }
  readonly stop: () => Promise<void>
}

async function start(count: number): Promise<Embedded> {
  const server = spawn(process.execPath, ['scripts/run.mjs', 'test/embedded/cli.ts', String(count)], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  const ended = new Promise<void>((resolve) => server.on('close', () => resolve()))
  const line = await new Promise<string>((resolve, reject) => {
    server.stdout.once('data', (d) => resolve(String(d)))
    server.once('close', () => reject(new Error('the embedded hosts did not start')))
  })
  const dir = line.trim()
  const reach = ['-i', join(dir, 'hosts.yml'), '--known-hosts', join(dir, 'known_hosts')]
  return {
    dir,
    runbook: (...args) => {
      const all = ['dist/main.js', ...args, ...reach]
      const done = spawnSync(process.execPath, all, { encoding: 'utf8', timeout: 60_000 })
      return { status: done.status ?? -1, stdout: done.stdout, stderr: done.stderr }
    },
    stop: async () => {
      server.stdin.end()
      await ended
    },
  }
}

const recap = (stdout: string) => JSON.parse(stdout.trim().split('\n').at(-1)!).hosts as Record<string, Counts>
interface Counts {
  readonly changed: number
  readonly failed: number
  readonly trips: number
}

test('the quickstart: check tells what apply does, twice is once, what was broken is found and repaired', async () => {
  const hosts = await start(3)
  const said: string[] = []
  const run = (...args: string[]) => {
    const done = hosts.runbook(...args)
    said.push(done.stdout, done.stderr)
    return done
  }
  try {
    const homes = join(hosts.dir, 'homes')
    const check = run('check', 'playbooks/quickstart.yml', '--diff')
    assert.is(check.status, 2, check.stdout + check.stderr)
    for (const e of ['e1', 'e2', 'e3']) assert.equal(readdirSync(join(homes, e)), [], 'check changes nothing')
    const first = run('apply', 'playbooks/quickstart.yml', '--output', 'ndjson')
    assert.is(first.status, 0, first.stdout + first.stderr)
    assert.ok(Object.values(recap(first.stdout)).every((c) => c.changed >= 10))
    const at = join(homes, 'e2/quickstart')
    assert.match(readFileSync(join(at, 'etc/motd'), 'utf8'), /^This is e2: /)
    assert.match(readFileSync(join(at, 'current/index.html'), 'utf8'), /Unpacked/)
    assert.ok(existsSync(join(at, 'data/reloaded')), 'the handler ran')
    assert.is(statSync(join(at, 'etc/fxpkcs11.cfg')).mode & 0o777, 0o600)
    assert.match(readFileSync(join(at, 'etc/fxpkcs11.cfg'), 'utf8'), /quickstart-password/)

    const second = run('apply', 'playbooks/quickstart.yml', '--output', 'ndjson')
    assert.is(second.status, 0)
    for (const c of Object.values(recap(second.stdout))) assert.ok(c.changed === 0 && c.trips <= 2, second.stdout)
    assert.is(run('check', 'playbooks/quickstart.yml').status, 0)

    writeFileSync(join(at, 'etc/settings'), 'colour=red\n')
    rmSync(join(at, 'current'))
    const broken = run('check', 'playbooks/quickstart.yml', '--diff')
    assert.is(broken.status, 2)
    assert.match(broken.stdout, /would change e2: one line of a file/)
    assert.match(broken.stdout, /-colour=red\n\s*\+colour=blue/)
    assert.match(broken.stdout, /would change e2: a link to it/)
    assert.not.match(broken.stdout, /would change e1/)
    assert.is(run('apply', 'playbooks/quickstart.yml').status, 0)
    assert.is(run('check', 'playbooks/quickstart.yml').status, 0)
    assert.not.match(said.join(''), /quickstart-password/, 'the password of the key is nowhere to be read')
  } finally {
    await hosts.stop()
  }
  assert.not.ok(existsSync(hosts.dir), 'nothing is left behind')
})

test('an embedded host lets in its key only, and hands on input, errors, status and signals', async () => {
  const hosts = await start(1)
  try {
    const port = Number(/ansible_port: (\d+)/.exec(readFileSync(join(hosts.dir, 'hosts.yml'), 'utf8'))![1])
    const key = readFileSync(join(hosts.dir, 'key'))
    assert.is(statSync(join(hosts.dir, 'key')).mode & 0o777, 0o600)
    const connect = (privateKey: Buffer | string) =>
      new Promise<ssh2.Client>((resolve, reject) => {
        const client = new ssh2.Client()
        client.on('ready', () => resolve(client)).on('error', reject)
        client.connect({ host: '127.0.0.1', port, username: 'anybody', privateKey })
      })
    const other = newKeyPair().private
    await connect(other).then(
      () => assert.unreachable('another key was let in'),
      (e) => assert.match(e.message, /authentication/),
    )
    const client = await connect(key)
    const exec = (command: string, input: string, signal?: string) =>
      new Promise<{ out: string; err: string; code: unknown; signal: unknown }>((resolve, reject) => {
        client.exec(command, (e, channel) => {
          if (e) return reject(e)
          let [out, err] = ['', '']
          let end: [unknown, unknown] = [undefined, undefined]
          channel.on('data', (d: Buffer) => {
            out += d
            if (signal && out.includes('ready')) channel.signal(signal)
          })
          channel.stderr.on('data', (d: Buffer) => (err += d))
          channel.on('exit', (code: unknown, name: unknown) => (end = [code, name]))
          channel.on('close', () => resolve({ out, err, code: end[0], signal: end[1] }))
          // what is closed on this side takes no signal
          if (signal === undefined) channel.end(input)
        })
      })
    assert.equal(await exec('cat; echo "$HOME" >&2; exit 7', 'in\0put'), {
      out: 'in\0put',
      err: `${join(hosts.dir, 'homes/e1')}\n`,
      code: 7,
      signal: undefined,
    })
    const ended = await exec('echo ready; sleep 60', '', 'TERM')
    assert.ok(ended.code === null || ended.code === undefined)
    assert.match(String(ended.signal), /TERM/)
    client.end()
  } finally {
    await hosts.stop()
  }
})

test.run()
