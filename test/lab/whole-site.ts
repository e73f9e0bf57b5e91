import { randomBytes } from 'node:crypto'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { generateIdentity, identityToRecipient } from 'age-encryption'
import * as assert from 'uvu/assert'
import { readStore } from '../../src/secrets/stored.ts'
import { untilHealth } from './bao-server.ts'
import type { Secrets } from './hunt.ts'
import type { Lab } from './lab.ts'
import { startRunbook } from './runbook.ts'
import { makeSite, storeOf } from './site.ts'
import { type Kept, keptSecrets } from './site-rig.ts'

/** An identity of age, and where it is. */
export interface Opener {
  readonly key: string
  readonly recipient: string
  readonly file: string
}

export async function newOpener(lab: Lab): Promise<Opener> {
  const key = await generateIdentity()
  const file = join(lab.dir, 'identity')
  writeFileSync(file, `# of a test\n${key}\n`, { mode: 0o600 })
  return { key, recipient: await identityToRecipient(key), file }
}

export interface Event {
  readonly event: string
  readonly host: string
  readonly task: string
  readonly status: string
  readonly changes: readonly string[]
  readonly hosts: Readonly<Record<string, { changed: number; failed: number; unknown: number; trips: number }>>
}

/** One host or a cluster, and the command line run on it. */
export class Site {
  readonly lab: Lab
  readonly own = {
    pin: `canary"$PIN\`4711\\${randomBytes(4).toString('hex')}`,
    keyPassword: `canary-key'pass$&4711${randomBytes(4).toString('hex')}`,
  }
  /** What opens the store, where it is encrypted. */
  readonly opener: Opener | undefined
  readonly store: string
  readonly #inventory: string

  constructor(lab: Lab, opener?: Opener) {
    this.lab = lab
    this.opener = opener
    this.#inventory = makeSite(lab, this.own, opener?.recipient)
    this.store = storeOf(lab, opener?.recipient)
  }

  /** @param identity what opens the store; none: ''. */
  async run(command: string, options: readonly string[] = [], identity = this.opener?.file ?? '') {
    return this.#start([command, 'playbooks/site.yml', ...options], identity)
  }

  #start(args: readonly string[], identity = this.opener?.file ?? '') {
    const reach = ['-i', this.#inventory, '--known-hosts', this.lab.knownHostsFile]
    return startRunbook([...args, ...reach], undefined, { RUNBOOK_AGE_IDENTITY: identity }).ended
  }

  async events(command: string, status: number, ...options: string[]): Promise<Event[]> {
    const done = await this.run(command, ['--output', 'ndjson', ...options])
    assert.is(done.status, status, `${command}: ${done.stdout.slice(-3000)}${done.stderr}`)
    const lines = done.stdout.trim().split('\n')
    return lines.map((l) => JSON.parse(l) as Event)
  }

  /** Looks at all with playbooks/verify.yml, as check and as apply: neither changes anything. */
  async verify(status: number, ...options: string[]): Promise<string> {
    const said: string[] = []
    for (const { name } of this.lab.hosts) this.on(name, 'touch /run/mark')
    for (const command of ['check', 'apply']) {
      const done = await this.#start([command, 'playbooks/verify.yml', ...options])
      said.push(done.stdout, done.stderr)
      assert.is(done.status, status, `${command}: ${done.stdout}${done.stderr}`)
      assert.not.match(done.stdout, /^(changed|would change|unknown)/m)
    }
    for (const { name } of this.lab.hosts) assert.is(this.on(name, touched), '', `verify changes nothing on ${name}`)
    return said.slice(-2).join('')
  }

  /** What the server handed out. */
  async kept(): Promise<Kept> {
    const { content, problem } = await readStore(this.store, this.opener?.file)
    if (!content) throw new Error(`${this.store}: ${problem}`)
    return JSON.parse(content.toString('utf8')) as Kept
  }

  /** What must be found nowhere but where it belongs, by its name. */
  async secrets(): Promise<Secrets> {
    const known = { ...this.own, ...(this.opener ? { identity: this.opener.key } : {}) }
    return existsSync(this.store) ? { ...known, ...keptSecrets(await this.kept()) } : known
  }

  url(host: string): string {
    return `http://${this.lab.hosts.find((h) => h.name === host)!.address}:8200`
  }

  async unsealed(host: string): Promise<void> {
    const until = this.lab.hosts.length > 1 ? [200, 429] : [200]
    await untilHealth(this.lab, host, this.url(host), until)
  }

  async api(
    host: string,
    path: string,
    token: string,
    body?: object | 'delete',
  ): Promise<{ data?: { word?: string } }> {
    const method = body === undefined ? 'GET' : body === 'delete' ? 'DELETE' : 'POST'
    const more = typeof body === 'object' ? { body: JSON.stringify(body) } : {}
    const said = await fetch(`${this.url(host)}/v1/${path}`, { method, headers: { 'x-vault-token': token }, ...more })
    assert.ok(said.ok, `${path}: ${said.status}`)
    const text = await said.text()
    return text === '' ? {} : (JSON.parse(text) as { data?: { word?: string } })
  }

  on(host: string, script: string): string {
    const done = this.lab.run(host, ['sh', '-c', script])
    assert.is(done.status, 0, `${script}: ${done.stderr}`)
    return done.stdout
  }
}

/** What would change or changed, host by host in order. */
export const changes = (events: readonly Event[]) =>
  events
    .filter((e) => e.event === 'task' && e.status === 'changed')
    .map((e) => `${e.host} ${e.task}: ${e.changes.join('; ')}`)
    .sort()
/** What check can not know, host and task. */
export const unknown = (events: readonly Event[]) =>
  events
    .filter((e) => e.event === 'task' && e.status === 'unknown')
    .map((e) => `${e.host} ${e.task}`)
    .sort()
export const recap = (events: readonly Event[]) => Object.values(events.at(-1)!.hosts)

export const touched = 'find /etc /usr /root /home /opt /srv -xdev -cnewer /run/mark'
