import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { untilHealth } from './bao-server.ts'
import { onHost } from './hsm.ts'
import type { Secrets } from './hunt.ts'
import type { Lab } from './lab.ts'
import { type Running, startRunbook } from './runbook.ts'
import { makeSite, randomSecrets, type SiteSecrets } from './site.ts'

/** What a server handed out, as the site's store keeps it. */
export interface Kept {
  readonly root_token: string
  readonly keys: readonly string[]
  readonly keys_base64?: readonly string[]
  readonly threshold: number
}

/** What of it is secret, by its name. */
export function keptSecrets({ root_token, keys, keys_base64 = [] }: Kept): Secrets {
  return { root_token, ...Object.fromEntries([...keys, ...keys_base64].map((key, i) => [`key ${i}`, key])) }
}

/** One host, and the playbooks of the guide run against it. */
export class OneHost {
  readonly lab: Lab
  readonly inventory: string
  readonly store: string
  readonly url: string
  readonly #own: SiteSecrets

  /** @param options.keep the site of this lab was made before. */
  constructor(lab: Lab, secrets = randomSecrets(), options: { keep?: boolean } = {}) {
    this.lab = lab
    this.#own = secrets
    this.inventory = options.keep ? join(lab.dir, 'site') : makeSite(lab, secrets)
    this.store = join(lab.dir, 'vault-keys.json')
    this.url = `http://${lab.hosts[0]!.address}:8200`
  }

  start(command: string, ...options: string[]): Running {
    const book = options[0]?.endsWith('.yml') ? [] : ['playbooks/site.yml']
    const reach = ['-i', this.inventory, '--known-hosts', this.lab.knownHostsFile]
    return startRunbook([command, ...book, ...options, ...reach])
  }

  async run(status: number, command: string, ...options: string[]): Promise<string> {
    const done = await this.start(command, ...options).ended
    const text = done.stdout + done.stderr
    assert.is(done.status, status, `${command} ${options.join(' ')}: ${text.slice(-3000)}`)
    return text
  }

  on(script: string): string {
    return onHost(this.lab, 'h1', script)
  }

  kept(): Kept {
    return JSON.parse(readFileSync(this.store, 'utf8')) as Kept
  }

  /** What must be found nowhere else, by its name. */
  secrets(): Secrets {
    return { ...this.#own, ...(this.hasStore() ? keptSecrets(this.kept()) : {}) }
  }

  hasStore(): boolean {
    return existsSync(this.store)
  }

  async unsealed(): Promise<void> {
    await untilHealth(this.lab, 'h1', this.url, 200)
  }

  /** What is kept opens what is there. */
  async opens(): Promise<boolean> {
    const headers = { 'x-vault-token': this.kept().root_token }
    return (await fetch(`${this.url}/v1/auth/token/lookup-self`, { headers })).status === 200
  }

  async initialised(): Promise<boolean | undefined> {
    try {
      return ((await (await fetch(`${this.url}/v1/sys/init`)).json()) as { initialized: boolean }).initialized
    } catch {
      return undefined
    }
  }

  /** The way out that a run names where what a server handed out is lost. */
  emptyStorage(): void {
    this.on(`systemctl stop vault; ${emptied}; systemctl start vault`)
  }

  /** As it was when its server was about to be initialised for the first time. */
  emptyAll(): void {
    this.emptyStorage()
    for (const file of [this.store, `${this.store}.intent`]) rmSync(file, { force: true })
  }

  /** As it was before the first run. Its token is taken from a copy beside it, `tokens.first`. */
  forget(): void {
    this.on(forgotten)
    for (const file of [this.store, `${this.store}.intent`]) rmSync(file, { force: true })
  }
}

/** Shell text by which a server that was stopped starts as new. */
export const emptied = 'find /var/lib/vault -mindepth 1 -delete; systemctl reset-failed vault'

/** Shell text that makes a host what it was before the first run. */
export const forgotten = `systemctl disable --now vault 2>/dev/null
systemctl reset-failed vault 2>/dev/null
rm -rf /etc/systemd/system/vault.service* /etc/vault.d /etc/fxpkcs11.cfg /etc/credstore /var/lib/vault /var/log/vault /usr/local/bin/fxpkcs11 /usr/local/bin/bao /usr/local/lib/vault
systemctl daemon-reload
userdel vault 2>/dev/null; groupdel vault 2>/dev/null
rm -rf /var/lib/softhsm/tokens && cp -a /var/lib/softhsm/tokens.first /var/lib/softhsm/tokens`
