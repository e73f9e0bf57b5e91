// Options of Ansible's commands that are none here, and what to write instead.

const others: Readonly<Record<string, string>> = {
  '--args': '`runbook run MODULE key=value …`',
  '--ask-vault-pass': 'there are no encrypted variables yet',
  '--ask-vault-password': 'there are no encrypted variables yet',
  '--become-method': 'sudo is the only way to become another user yet',
  '--become-user': '`become_user` in the playbook, or ansible_become_user in the inventory or with -e',
  '--check': '`runbook check …`',
  '--connection': 'ansible_connection in the inventory or with -e',
  '--key-file': '--private-key',
  '--list-hosts': '`runbook hosts PATTERN`',
  '--module-name': '`runbook run MODULE key=value …`',
  '--syntax-check': '`runbook validate …`',
  '--vault-password-file': 'there are no encrypted variables yet',
  '-a': '`runbook run MODULE key=value …`',
  '-C': '`runbook check …`',
  '-c': 'ansible_connection in the inventory or with -e',
  '-J': 'there are no encrypted variables yet',
  '-m': '`runbook run MODULE key=value …`',
}

/** The likely fix of wrong usage. */
export function usageHint(message: string): string {
  const option = /unknown option '(--?[\w-]+)/.exec(message)?.[1]
  return (option !== undefined && others[option]) || '-h behind the command shows what it takes'
}
