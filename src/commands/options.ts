import { type Command, InvalidArgumentError, Option } from 'commander'
import { longestTimeout } from '../language/playbook.ts'

/** The options of everything that looks at hosts. */
export interface HostOptions {
  readonly inventory: readonly string[]
  readonly limit?: string
  readonly extraVars: readonly string[]
  readonly user?: string
  readonly privateKey?: string
}

/** The options of what runs tasks on them. */
export interface RunningOptions extends HostOptions {
  readonly tags: readonly string[]
  readonly skipTags: readonly string[]
  readonly forks: number
  readonly diff?: true
  readonly become?: true
  readonly askBecomePass?: true
  readonly askPass?: true
  readonly askVaultToken?: true
  readonly acceptNew?: true
  readonly knownHosts?: string
  readonly timeout: number
  readonly verbose: number
  /** What commands said is told whole, as far as it was kept. */
  readonly whole?: boolean
  readonly output?: 'pretty' | 'plain' | 'ndjson'
  readonly strict?: true
  readonly forceHandlers?: true
}

const collect = (value: string, all: readonly string[]) => [...all, value]
const words = (value: string, all: readonly string[]) => [...all, ...value.split(',').map((w) => w.trim())]

const places = 'inventory/, hosts.yml or inventory.yml'

type Collect = (value: string, all: readonly string[]) => string[]

function list(flags: string, description: string, parser: Collect, otherwise = 'none'): Option {
  return new Option(flags, description).argParser(parser).default([], otherwise)
}

function positive(value: string): number {
  const n = Number(value)
  if (!Number.isInteger(n) || n < 1) throw new InvalidArgumentError('it is a whole number from 1.')
  return n
}

function seconds(value: string): number {
  const n = positive(value)
  if (n > longestTimeout) throw new InvalidArgumentError(`it is at most ${longestTimeout}.`)
  return n
}

export function withHostOptions(command: Command): Command {
  return command
    .addOption(list('-i, --inventory <path>', 'inventory, a file or folder; may be repeated', collect, places))
    .option('-l, --limit <pattern>', 'only these hosts of the plays; @FILE: those of its lines')
    .addOption(
      list('-e, --extra-vars <vars>', 'variables: key=value …, a JSON mapping, or @FILE; may be repeated', collect),
    )
    .option('-u, --user <name>', 'the user to connect as, where the inventory says nothing')
    .option('--private-key <file>', 'the key to connect with, where the inventory says nothing')
}

export function withRunOptions(command: Command): Command {
  return withHostOptions(command)
    .addOption(list('-t, --tags <tags>', 'only tasks with one of these tags, separated by commas', words))
    .addOption(list('--skip-tags <tags>', 'not the tasks with one of these tags', words))
    .option('-f, --forks <n>', 'how many hosts at a time', positive, 20)
    .option('-D, --diff', 'show what changes in files')
    .option('-b, --become', 'run as root by sudo, where a play says nothing')
    .option('-K, --ask-become-pass', "ask for sudo's password")
    .option('-k, --ask-pass', 'ask for the password to connect with')
    .option('--ask-vault-token', 'ask for the token of Vault or OpenBao, instead of VAULT_TOKEN')
    .option('--accept-new', 'trust the key of a host that is met for the first time, and remember it')
    .option('--known-hosts <file>', 'the file of known host keys instead of ~/.ssh/known_hosts')
    .option('-T, --timeout <seconds>', 'how long connecting may take', seconds, 10)
    .option('--force-handlers', 'run notified handlers also on a host that failed')
    .option('--strict', 'count what never converges as failed')
    .option(
      '-v, --verbose',
      'tell of every task, its time and what it said or found; -vv of every step',
      (_, n: number) => n + 1,
      0,
    )
    .addOption(new Option('--output <kind>', 'how to report').choices(['pretty', 'plain', 'ndjson']))
}
