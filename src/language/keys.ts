// What an Ansible author may write that has no meaning here yet, and what to do instead.

export const playKeys = new Set(
  'name hosts become become_user vars gather_facts serial order any_errors_fatal tags tasks handlers'.split(' '),
)

export const taskKeys = new Set(
  'name when register loop notify tags become become_user vars no_log ignore_errors changed_when failed_when until retries delay timeout affects args'.split(
    ' ',
  ),
)

/** Of a task that includes a file. */
export const includeKeys = new Set('include params name when tags become become_user vars'.split(' '))

/** Of a task file. */
export const taskFileKeys = new Set('name params tasks handlers'.split(' '))

/** There is nothing else to write instead. */
const later = ''
const asInclude = 'write `include: FILE`, and what stands under `vars` under `params`: the file declares them'

export const otherPlayKeys: Readonly<Record<string, string>> = {
  become_method: 'sudo is the only way to become another user yet',
  check_mode: 'use `runbook check`',
  collections: 'modules are named by their own names: drop it',
  connection: 'set ansible_connection in the inventory',
  environment: "before a command of `shell`: `NAME='value' …`",
  force_handlers: 'use --force-handlers',
  import_playbook: 'name several playbooks on the command line',
  max_fail_percentage: '`serial`, with `any_errors_fatal: true` for none',
  module_defaults: later,
  port: 'set ansible_port in the inventory',
  post_tasks: 'put them at the end of `tasks`',
  pre_tasks: 'put them at the start of `tasks`',
  remote_user: 'set ansible_user in the inventory, or use --user',
  roles: 'write their tasks into task files: `include: FILE`',
  run_once: later,
  strategy: 'hosts always go at their own pace: drop it',
  vars_files: 'put them into group_vars/, or use --extra-vars @file',
  vars_prompt: later,
}

export const otherTaskKeys: Readonly<Record<string, string>> = {
  action: 'write the module as the key: `copy: { … }`',
  always: 'there are no blocks yet',
  any_errors_fatal: 'it is a word of the play',
  async: later,
  become_method: 'sudo is the only way to become another user yet',
  block: 'there are no blocks yet: give each task its own `when`',
  check_mode: 'use `runbook check`',
  collections: 'modules are named by their own names: drop it',
  connection: 'set ansible_connection in the inventory',
  debugger: later,
  delegate_facts: later,
  delegate_to: later,
  diff: 'use --diff',
  environment: "before a command of `shell`: `NAME='value' …`",
  import_playbook: 'name several playbooks on the command line',
  import_role: 'write its tasks into a task file: `include: FILE`',
  import_tasks: asInclude,
  include_role: 'write its tasks into a task file: `include: FILE`',
  include_tasks: asInclude,
  include_vars: 'put them into group_vars/, or use --extra-vars @file',
  local_action: 'write a play for `hosts: localhost`',
  loop_control: 'the item is `item`, its number `index`',
  poll: later,
  remote_user: 'set ansible_user in the inventory, or use --user',
  rescue: 'there are no blocks yet',
  run_once: later,
  throttle: later,
}

/** How it is said. */
export function unsupported(other: string): string {
  return other === later ? 'is not supported yet' : 'is not supported'
}

/** @returns what to do instead of a key of that name, when it is one Ansible knows; empty where that is not yet possible. */
export function otherKey(name: string, of: 'play' | 'task'): string | undefined {
  const known = of === 'play' ? otherPlayKeys : otherTaskKeys
  if (Object.hasOwn(known, name)) return known[name]
  if (of === 'task' && name.startsWith('with_')) return 'write `loop:` with a list'
  return undefined
}

/** What to do with a task's keyword that an include does not take. */
export function notOfInclude(key: string): string {
  if (key === 'loop') return 'give the list as a parameter, and put `loop` on the tasks of the file'
  if (key === 'register') return 'what the tasks of the file register is there behind the include too'
  if (key === 'args') return 'write `params`'
  return 'put it on the tasks of the file'
}

const otherModules: Readonly<Record<string, string>> = {
  apt: 'write `package`',
  dnf: 'write `package`',
  gather_facts: 'facts are there without it: `facts.hostname`',
  get_url: 'not there yet: `shell` with `args: { creates: … }`',
  meta: 'handlers run at the end of their play',
  raw: 'write `shell`',
  script: 'copy it, then `command`',
  service: 'write `systemd_unit`',
  setup: 'facts are there without it: `facts.hostname`',
  systemd: 'write `systemd_unit`',
  systemd_service: 'write `systemd_unit`',
  uri: '`wait_for` waits for a URL; otherwise `command: curl …`',
  yum: 'write `package`',
}

/** @returns what to use instead of a module of Ansible's that is not there. */
export function otherModule(name: string): string | undefined {
  return Object.hasOwn(otherModules, name) ? otherModules[name] : undefined
}
