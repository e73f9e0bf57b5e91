/** Variables by which somebody tells the controller a secret: for it alone. */
const secretVariables = new Set(['VAULT_TOKEN', 'BAO_TOKEN', 'VAULT_HSM_PIN', 'BAO_HSM_PIN', 'RUNBOOK_AGE_IDENTITY'])

/** One that a playbook names. Programs that were started before may have it. */
export function hideVariable(name: string): void {
  secretVariables.add(name)
}

/** The environment for a program that the controller starts: its own without secrets. */
export function childEnvironment(): Record<string, string | undefined> {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !secretVariables.has(name)))
}
