import { existsSync, readFileSync, rmSync } from 'node:fs'
import * as assert from 'uvu/assert'
import { baoRelease } from './bao.ts'
import { onHost } from './hsm.ts'
import type { Secrets } from './hunt.ts'
import { countInits } from './killed-run.ts'
import type { Lab } from './lab.ts'
import { type Running, startRunbook } from './runbook.ts'
import { makeSite, randomSecrets, storeOf } from './site.ts'
import { emptied, forgotten, type Kept, keptSecrets } from './site-rig.ts'
import { lost, startWriting } from './writer.ts'

/** Three hosts that are one cluster, and the playbooks of the guide run against them. */
export class ThreeHosts {
  readonly names = ['h1', 'h2', 'h3']
  readonly lab: Lab
  readonly #site: string
  readonly #own = randomSecrets()

  constructor(lab: Lab) {
    this.lab = lab
    this.#site = makeSite(lab, this.#own)
  }

  start(command: string, playbook: string, ...options: string[]): Running {
    const reach = ['-i', this.#site, '--known-hosts', this.lab.knownHostsFile]
    return startRunbook([command, `playbooks/${playbook}`, ...reach, ...options])
  }

  async run(status: number, command: string, playbook: string, ...options: string[]): Promise<string> {
    const done = await this.start(command, playbook, ...options).ended
    const said = done.stdout + done.stderr
    assert.is(done.status, status, said)
    return said
  }

  #kept(): Kept | undefined {
    return existsSync(this.store) ? (JSON.parse(readFileSync(this.store, 'utf8')) as Kept) : undefined
  }

  get token(): string | undefined {
    return this.#kept()?.root_token
  }

  get store(): string {
    return storeOf(this.lab)
  }

  /** Of all three together. */
  inits(): number {
    return this.on(countInits).reduce((sum, n) => sum + Number(n), 0)
  }

  /** The way out that a run names where what the first handed out is lost. */
  emptyStorage(): void {
    this.on('systemctl stop vault')
    this.on(emptied)
    this.on('systemctl start vault')
  }

  /** As it was when the first was about to be initialised for the first time. */
  emptyAll(): void {
    this.emptyStorage()
    this.#dropStore()
  }

  /** As it was before the first run. Tokens are taken from a copy beside them, `tokens.first`. */
  forget(): void {
    this.on(forgotten)
    this.#dropStore()
  }

  #dropStore(): void {
    for (const file of [this.store, `${this.store}.intent`]) rmSync(file, { force: true })
  }

  /** What is kept opens each of them, and they are one cluster. */
  async isOne({ root_token } = this.#kept()!): Promise<void> {
    const ask = async (host: string, path: string) =>
      (await fetch(`${this.url(host)}/v1/sys/${path}`, { headers: { 'x-vault-token': root_token } })).json()
    const of = async (host: string) => {
      type Servers = { data: { config: { servers: { node_id: string }[] } } }
      const { data } = (await ask(host, 'storage/raft/configuration')) as Servers
      const { cluster_id } = (await ask(host, 'seal-status')) as { cluster_id: string }
      return { cluster_id, members: data.config.servers.map((s) => s.node_id).sort() }
    }
    const seen = await Promise.all(this.names.map(of))
    for (const one of seen) assert.equal(one, { ...seen[0], members: this.names })
  }

  /** What must be found nowhere but where it belongs, by its name. */
  secrets(): Secrets {
    const kept = this.#kept()
    return { ...this.#own, ...(kept ? keptSecrets(kept) : {}) }
  }

  url(host: string): string {
    return `http://${this.lab.hosts.find((h) => h.name === host)!.address}:8200`
  }

  async ask<T>(host: string, path: string): Promise<T> {
    const said = await fetch(`${this.url(host)}/v1/sys/${path}`, { headers: { 'x-vault-token': this.token! } })
    return (await said.json()) as T
  }

  /** The host that leads, as another sees it. Members that get no time for half a second elect anew: there is none meanwhile. */
  async leader(): Promise<string> {
    for (let tries = 0; ; tries++) {
      const { leader_address } = await this.ask<{ leader_address: string }>('h2', 'leader')
      const leader = this.names.find((host) => this.url(host) === leader_address)
      if (leader !== undefined) return leader
      assert.ok(tries < 150, 'nobody ever leads')
      await new Promise((r) => setTimeout(r, 200))
    }
  }

  /** Waits until all vote and are well. */
  async untilHealthy(): Promise<void> {
    await untilAllVote(this.url(await this.leader()), this.token!, this.names.length)
  }

  /** Waits until a rolling restart would begin. */
  async untilReady(): Promise<void> {
    const isReady = async () => (await this.run(2, 'check', 'rolling.yml').catch(() => '')) !== ''
    for (let tries = 0; !(await isReady()); tries++) {
      assert.ok(tries < 60, 'it never gets well')
      await new Promise((r) => setTimeout(r, 1000))
    }
  }

  on(script: string): string[] {
    return this.names.map((host) => onHost(this.lab, host, script).trim())
  }

  show(property: string): string[] {
    return this.on(`systemctl show --value --property=${property} vault`)
  }

  pids(): string[] {
    return this.show('MainPID')
  }

  /** How often the server of each host was started. */
  starts(): number[] {
    const count = `journalctl --sync; journalctl --no-pager -o cat -u vault | grep -c '^Started vault.service' || :`
    return this.on(count).map(Number)
  }

  /** The hosts in the order in which their servers were started last. */
  order(): string[] {
    const at = this.show('ExecMainStartTimestampMonotonic').map(Number)
    return this.names.toSorted((a, b) => at[this.names.indexOf(a)]! - at[this.names.indexOf(b)]!)
  }

  /** Does something under a client that writes all the time: nothing that was acknowledged is lost, it never waits long, and
   * never more than one server is away. */
  async written(what: () => Promise<unknown>): Promise<void> {
    const [token, servers] = [this.token!, this.names.map((host) => this.url(host))]
    const stop = startWriting(servers, 'kv-unwrapped', token)
    const done = what()
    await done.catch(() => {})
    const { acknowledged, longestGap, mostAway } = await stop()
    await done
    console.log(`${acknowledged.length} writes, at most ${longestGap} s without one, ${mostAway} away at a time`)
    assert.ok(acknowledged.length > 200, `${acknowledged.length} writes`)
    for (const server of servers) assert.equal(await lost(server, 'kv-unwrapped', token, acknowledged), [])
    assert.ok(longestGap < 5, `${longestGap} s without an acknowledged write`)
    assert.is(mostAway, 1)
  }
}

/** One that has just joined has no vote for some ten seconds.
 * @param leader its API, or that of one that forwards to it. */
export async function untilAllVote(leader: string, token: string, count: number): Promise<void> {
  const state = `${leader}/v1/sys/storage/raft/autopilot/state`
  for (const late = Date.now() + 180_000; Date.now() < late; await new Promise((r) => setTimeout(r, 500))) {
    const said = await fetch(state, { headers: { 'x-vault-token': token } })
    const { data } = (await said.json()) as { data?: { healthy: boolean; voters: unknown[] } }
    if (data?.healthy && data.voters.length === count) return
  }
  throw new Error('the cluster never came to be healthy')
}

/** Variables by which playbooks take the release before. */
export function older(): string[] {
  const { zip, sums } = baoRelease('2.7.1')
  const vars = { vault_archive: zip, vault_checksum: readFileSync(sums, 'utf8').split(' ')[0] }
  return ['-e', JSON.stringify(vars)]
}
