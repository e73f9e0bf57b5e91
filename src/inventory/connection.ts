import { homedir, userInfo } from 'node:os'
import { join, resolve } from 'node:path'
import type { Diagnostic } from '../language/diagnostic.ts'
import { ValueError } from '../language/playbook.ts'
import type { Variable } from './inventory.ts'
import { sshWords } from './ssh-options.ts'

/** How a host is reached. */
export interface Target {
  readonly name: string
  readonly kind: 'ssh' | 'local'
  readonly address: string
  readonly port: number
  readonly user: string
  readonly keyFile: string | undefined
  readonly password: string | undefined
  /** Files of known host keys, where the inventory names them. */
  readonly knownHosts: readonly string[] | undefined
  /** The inventory takes keys that are not known. */
  readonly acceptNew: boolean
  readonly become: boolean | undefined
  readonly becomeUser: string | undefined
  readonly becomePassword: string | undefined
}

export interface TargetDefaults {
  readonly user?: string | undefined
  readonly keyFile?: string | undefined
}

/** Reads the connection variables of a host.
 * @param variables with those of the command line.
 * @throws ValueError for one of the wrong type, or that means what is not supported. */
export function targetOf(
  name: string,
  variables: ReadonlyMap<string, Variable>,
  evaluate: (variable: Variable) => unknown,
  defaults: TargetDefaults = {},
): Target {
  const get = (...names: string[]): unknown => {
    const found = names.map((n) => variables.get(n)).find((v) => v !== undefined)
    return found && evaluate(found)
  }
  const text = (...names: string[]): string | undefined => {
    const value = get(...names)
    return value === undefined || value === null ? undefined : String(value)
  }
  const kind = text('ansible_connection') ?? (isLocal(name, variables) ? 'local' : 'ssh')
  if (!['ssh', 'local', 'smart', 'paramiko', 'paramiko_ssh'].includes(kind))
    throw wrong(variables.get('ansible_connection'), `there is no connection \`${kind}\` here`, 'use ssh or local')
  const method = text('ansible_become_method') ?? 'sudo'
  if (method !== 'sudo')
    throw wrong(
      variables.get('ansible_become_method'),
      `\`${method}\` is not supported yet`,
      'only sudo becomes another user',
    )
  const port = Number(text('ansible_port', 'ansible_ssh_port') ?? 22)
  if (!Number.isInteger(port) || port < 1 || port > 65535)
    throw wrong(
      variables.get('ansible_port') ?? variables.get('ansible_ssh_port'),
      'a port is a number from 1 to 65535',
    )
  const ssh = sshWords(sshLines.flatMap((n) => text(n) ?? []))
  const checking = flag(get('ansible_host_key_checking', 'ansible_ssh_host_key_checking'))
  const key = text('ansible_ssh_private_key_file', 'ansible_private_key_file') ?? defaults.keyFile
  return {
    name,
    kind: kind === 'local' ? 'local' : 'ssh',
    address: text('ansible_host', 'ansible_ssh_host') ?? name,
    port,
    user: text('ansible_user', 'ansible_ssh_user') ?? defaults.user ?? ownUser(),
    keyFile: key === undefined ? undefined : key.startsWith('~/') ? join(homedir(), key.slice(2)) : resolve(key),
    password: text('ansible_password', 'ansible_ssh_pass', 'ansible_ssh_password'),
    knownHosts: ssh.knownHosts,
    acceptNew: ssh.acceptNew ?? checking === false,
    become: flag(get('ansible_become')),
    becomeUser: text('ansible_become_user'),
    becomePassword: text('ansible_become_password', 'ansible_become_pass', 'ansible_sudo_pass'),
  }
}

/** Variables with options of ssh; what comes first wins. */
const sshLines = ['ansible_ssh_args', 'ansible_ssh_common_args', 'ansible_ssh_extra_args']

const ignored: Readonly<Record<string, string>> = {
  ansible_ssh_executable: 'no ssh program is run',
  ansible_become_flags: 'sudo is called without more flags',
  ansible_become_exe: 'sudo is found by PATH',
}

/** Variables that say how to connect and that nothing here looks at. */
export function ignoredVariables(variables: ReadonlyMap<string, Variable>): Diagnostic[] {
  const warn = (name: string, what: string, why: string): Diagnostic[] => {
    const span = variables.get(name)?.value.span
    return span ? [{ code: 'ignored', severity: 'warning', message: `${what} is not used: ${why}`, span }] : []
  }
  const options = sshLines.flatMap((name) => {
    const value = variables.get(name)?.value
    const { unread } = sshWords(value?.constant ? [String(value.evaluate({}))] : [])
    return unread.length === 0
      ? []
      : warn(
          name,
          `\`${unread.join(' ')}\` in \`${name}\``,
          'of the options of ssh only UserKnownHostsFile and StrictHostKeyChecking are read',
        )
  })
  return [...options, ...Object.entries(ignored).flatMap(([name, why]) => warn(name, `\`${name}\``, why))]
}

let own: string | undefined

function ownUser(): string {
  own ??= userInfo().username
  return own
}

function isLocal(name: string, variables: ReadonlyMap<string, Variable>): boolean {
  return /^(localhost|127\.0\.0\.1|::1)$/.test(name) && !variables.has('ansible_host') && !variables.has('ansible_port')
}

function flag(value: unknown): boolean | undefined {
  if (value === undefined || value === null) return undefined
  return typeof value === 'boolean' ? value : /^(true|yes|on|1)$/i.test(String(value))
}

function wrong(at: Variable | undefined, message: string, hint?: string): ValueError {
  return new ValueError({
    code: 'connection',
    severity: 'error',
    message,
    ...(at === undefined ? {} : { span: at.value.span }),
    ...(hint === undefined ? {} : { hint }),
  })
}
