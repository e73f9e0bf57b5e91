import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Lab, labOwn } from './lab.ts'
import { type Seen, type Watch, watchProcesses } from './process-watch.ts'
import { onRunEnd } from './runbook.ts'
import { secretForms, secretsIn } from './secret-forms.ts'

// Secrets are looked for wherever they have no business: in all that runs said, in what processes had as arguments and
// environment, in the journals of the hosts, in files that others than their owner may read, on hosts and here. Files are
// looked at when it ends: one that was there in between and is gone is not seen.

export type Secrets = Readonly<Record<string, string>>

/** What is looked for. */
export interface Prey {
  readonly labs: readonly Lab[]
  /** By name. It is asked again when a run has ended, and in the end: what a server hands out is known only then. Each that it
   * ever named is looked for. They are of this test alone: others run on this machine meanwhile. */
  readonly secrets: () => Secrets | Promise<Secrets>
  /** Programs that are meant to have a secret in their environment: by its name, a piece of their arguments (parted by blanks). */
  readonly environments?: Readonly<Record<string, readonly string[]>>
}

/** A hunt that is on. */
export interface Hunt {
  /** Ends it, whatever happened meanwhile.
   * @returns a line for each hit: where, which secret, and what is around it. */
  readonly end: () => Promise<readonly string[]>
  /** What it watched, when it has ended. */
  readonly watched: () => { readonly pace: number; readonly processes: readonly Seen[]; readonly said: number }
}

export async function startHunt(prey: Prey): Promise<Hunt> {
  const dir = mkdtempSync(join(tmpdir(), 'hunt-'))
  writeFileSync(join(dir, 'mark'), '')
  for (const [lab, { name }] of hostsOf(prey)) inside(lab, name, ': >/root/hunt.mark')
  // times of files are coarse
  await new Promise((r) => setTimeout(r, 20))
  const known = new Map<string, string>()
  const learning: Promise<void>[] = []
  const learn = () => {
    const asked = prey.secrets()
    const keep = (secrets: Secrets) => {
      for (const [name, value] of Object.entries(secrets)) known.set(value, name)
    }
    if (!(asked instanceof Promise)) return keep(asked)
    const learned = asked.then(keep)
    // told in the end
    learned.catch(() => {})
    learning.push(learned)
  }
  const said: string[] = []
  const off = onRunEnd((text) => {
    said.push(text)
    learn()
  })
  const watch = await watchProcesses()
  let watched: Awaited<ReturnType<Watch['end']>> | undefined
  return {
    end: async () => {
      off()
      watched = await watch.end()
      try {
        learn()
        await Promise.all(learning)
        // a secret that was replaced meanwhile has the name of the new one
        const all = Object.fromEntries([...known].map(([value, name], i) => [`${i} ${name}`, value]))
        if (watched.pace > 50) throw new Error(`processes were looked at every ${watched.pace} ms only`)
        if (known.size === 0) throw new Error('there is no secret to look for')
        for (const [value, name] of known)
          if (value.length < 10) throw new Error(`${name} is too short: it would be found where it is not`)
        writeFileSync(join(dir, 'forms'), patterns(all), { mode: 0o600 })
        // what the lab itself does on a host is no leak
        const processes = watched.processes.filter(({ environment }) => !environment.includes(labOwn))
        const lines = processes.flatMap(({ args, environment }) => [args.join(' '), ...environment])
        return [
          ...(holdsAny(dir, said) ? said.flatMap((text) => secretsIn(text, all).map((hit) => `said: ${hit}`)) : []),
          ...(holdsAny(dir, lines) ? processes.flatMap((p) => inProcess(p, all, prey.environments ?? {})) : []),
          ...hostsOf(prey).flatMap(([lab, { name }]) => onHost(lab, name, all)),
          ...here(dir, prey.labs),
        ]
      } finally {
        rmSync(dir, { recursive: true, force: true })
      }
    },
    watched: () => ({ pace: watched!.pace, processes: watched!.processes, said: said.length }),
  }
}

/** Does something with a hunt on. What is found is told also where it fails. */
export async function hunted<T>(prey: Prey, what: () => Promise<T>): Promise<T> {
  const hunt = await startHunt(prey)
  let [failed, why]: [boolean, unknown] = [false, undefined]
  let done: T | undefined
  try {
    done = await what()
  } catch (e) {
    ;[failed, why] = [true, e]
  }
  const hits = await hunt.end().catch((e: Error) => [`it could not be looked: ${e.stack}`])
  if (hits.length > 0) {
    const cause = failed ? `\nand it failed: ${why instanceof Error ? why.stack : why}` : ''
    throw new Error(`secrets are where they must not be:\n${hits.slice(0, 20).join('\n')}${cause}`)
  }
  if (failed) throw why
  return done as T
}

const hostsOf = ({ labs }: Prey) => labs.flatMap((lab) => lab.hosts.map((host) => [lab, host] as const))

function inside(lab: Lab, host: string, script: string): string {
  const done = lab.run(host, ['sh', '-c', script])
  if (done.status !== 0) throw new Error(`${host}: ${script}: ${done.stderr}`)
  return done.stdout
}

/** Whether there is any hit at all, found fast. */
function holdsAny(dir: string, texts: readonly string[]): boolean {
  writeFileSync(join(dir, 'texts'), texts.join('\n'), { mode: 0o600 })
  const { status, stderr } = spawnSync('grep', ['-qaFf', join(dir, 'forms'), join(dir, 'texts')], { encoding: 'utf8' })
  if (status !== 0 && status !== 1) throw new Error(`grep: ${stderr}`)
  return status === 0
}

function inProcess({ args, environment }: Seen, secrets: Secrets, meant: NonNullable<Prey['environments']>): string[] {
  const line = args.join(' ')
  const isMeant = (hit: string) =>
    Object.entries(meant).some(([name, programs]) => {
      return hit.replace(/^\d+ /, '').startsWith(`${name} (`) && programs.some((p) => line.includes(p))
    })
  return [
    ...secretsIn(line, secrets).map((hit) => `an argument: ${hit}`),
    ...environment
      .flatMap((e) => secretsIn(e, secrets))
      .filter((hit) => !isMeant(hit))
      .map((hit) => `the environment of ${line.slice(0, 200)}: ${hit}`),
  ]
}

const patterns = (secrets: Secrets) => `${Object.values(secrets).flatMap(secretForms).join('\n')}\n`

const readable = `-type f -perm /044 -cnewer "$mark" -exec grep -laFf "$forms" {} +`

function onHost(lab: Lab, host: string, secrets: Secrets): string[] {
  const { root } = lab.hosts.find((h) => h.name === host)!
  writeFileSync(join(root, 'root/hunt.forms'), patterns(secrets), { mode: 0o600 })
  const script = `umask 077; mark=/root/hunt.mark forms=/root/hunt.forms
test -s $forms && test -e $mark || exit 1
journalctl --sync
journalctl --no-pager --all --output=export >/root/hunt.journal || exit 1
test -s /root/hunt.journal || exit 1
grep -aFf $forms /root/hunt.journal | cut -c 1-300 | sed 's/^/the journal: /'
rm -f /root/hunt.journal
for at in $(awk '$3 ~ /^(overlay|tmpfs|ramfs|ext[234]|xfs|btrfs)$/ { print $2 }' /proc/mounts | sort -u); do
  find "$at" -xdev ! -path '/var/log/journal/*' ${readable} 2>/dev/null
done | sort -u | sed 's/^/a file that others may read: /'
rm -f $forms`
  return inside(lab, host, script)
    .split('\n')
    .flatMap((line) => (line === '' ? [] : [`${host}: ${line}`]))
}

/** The directories of the labs, of temporary files, and of the project; not the hosts' roots in them, nor what was installed. */
function here(dir: string, labs: readonly Lab[]): string[] {
  const [mark, forms] = [join(dir, 'mark'), join(dir, 'forms')]
  const hosts = labs.flatMap((lab) => ['root', 'upper', 'work'].map((part) => `${lab.dir}/h*/${part}`))
  const not = ['*/node_modules', '*/.git', ...hosts].map((path) => `-path '${path}'`).join(' -o ')
  const script = `mark=$1 forms=$2; shift 2; find "$@" \\( ${not} \\) -prune -o ${readable} 2>/dev/null`
  const places = [...labs.map((lab) => lab.dir), tmpdir(), process.cwd()]
  const done = spawnSync('sh', ['-c', script, 'sh', mark, forms, ...places], { encoding: 'utf8', maxBuffer: 1 << 26 })
  return done.stdout.split('\n').flatMap((file) => (file === '' ? [] : [`a file here that others may read: ${file}`]))
}
