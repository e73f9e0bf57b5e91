import { Command, Option } from 'commander'
import { type RunningOptions, withHostOptions, withRunOptions } from './commands/options.ts'
import { usageHint } from './commands/other-options.ts'
import { Interrupted, UsageError } from './commands/usage-error.ts'
import { version } from './commands/version.ts'

const codes = `
Exit codes: 0 all well (check: converged); 1 a host failed; 2 check found changes to make;
3 a host was unreachable (and none failed); 4 invalid files or usage, nothing connected; 130 interrupted.`

function examples(...lines: string[]): string {
  return `\nExamples:\n${lines.map((l) => `  $ runbook ${l}`).join('\n')}\n${codes}`
}

const program = new Command('runbook')
  .description('Brings hosts into a stated state over SSH: reads once, plans, applies once, verifies.')
  .version(version, '--version')
  .configureHelp({ showGlobalOptions: true })
  .configureOutput({ outputError: (text, write) => write(`${text}  fix: ${usageHint(text)}\n`) })
  .exitOverride()
  .addHelpText(
    'after',
    examples('apply site.yml -i inventory', 'check site.yml --diff', 'run ping -l all', 'modules copy'),
  )

withRunOptions(program.command('apply'))
  .description('bring hosts into the state that playbooks say')
  .argument('<playbook...>')
  .addHelpText(
    'after',
    examples('apply site.yml -i inventory', 'apply site.yml -l web --diff', 'apply site.yml -t vault -e version=1.5'),
  )
  .action(async (paths: string[], o: RunningOptions) =>
    finish((await import('./commands/apply.ts')).applyCommand('apply', paths, o)),
  )

withRunOptions(program.command('check'))
  .description('say what apply would change; nothing is changed')
  .argument('<playbook...>')
  .addHelpText('after', examples('check site.yml -i inventory', 'check site.yml --diff'))
  .action(async (paths: string[], o: RunningOptions) =>
    finish((await import('./commands/apply.ts')).applyCommand('check', paths, o)),
  )

withRunOptions(program.command('validate'))
  .description('find what is wrong in playbooks and inventory; nothing is connected')
  .argument('<playbook...>')
  .addHelpText('after', examples('validate site.yml -i inventory', 'validate site.yml other.yml -e @vars.yml'))
  .action(async (paths: string[], o: RunningOptions) =>
    finish((await import('./commands/apply.ts')).validateCommand(paths, o)),
  )

withHostOptions(program.command('hosts'))
  .description('show the hosts of the inventory')
  .argument('[pattern]', 'which hosts', 'all')
  .option('--list', 'a name a line (the default)')
  .option('--graph', 'as a tree of groups')
  .addOption(
    new Option('--json', 'with groups and variables, as ansible-inventory --list; secrets are masked').conflicts(
      'graph',
    ),
  )
  .addHelpText('after', examples('hosts', "hosts 'web:!h3'", 'hosts --graph -i inventory'))
  .action(async (pattern: string, o) => finish((await import('./commands/hosts.ts')).hostsCommand(pattern, o)))

program
  .command('modules')
  .description('show the modules, or one with its parameters')
  .argument('[name]')
  .addHelpText('after', examples('modules', 'modules copy'))
  .action(async (name: string | undefined) => finish((await import('./commands/modules.ts')).modulesCommand(name)))

withRunOptions(program.command('run'))
  .description('run one module on hosts')
  .argument('<module>', 'its name: `runbook modules` lists them')
  .argument('[parameters...]', 'key=value …, a JSON mapping, or the text of a command')
  .option('-C, --check', 'only say what would change')
  .addHelpText(
    'after',
    examples('run ping -l web', 'run copy content=hello dest=/etc/motd -l h1 --check', "run shell 'uptime' -l all"),
  )
  .action(async (module: string, parameters: string[], o) =>
    finish((await import('./commands/run-module.ts')).runModuleCommand(module, parameters, o)),
  )

async function finish(code: Promise<number>): Promise<void> {
  process.exitCode = await code
}

/** Runs what the command line says; the exit code is set then. */
export async function main(): Promise<void> {
  let terminalGone = false
  // a reader that went away (`| head`, a terminal that was closed) is no reason to end in the middle of a run
  for (const stream of [process.stdout, process.stderr])
    stream.on('error', (e: NodeJS.ErrnoException) => {
      terminalGone ||= e.code === 'EIO'
      if (e.code !== 'EPIPE' && e.code !== 'EIO') process.exitCode = 1
    })
  try {
    await program.parseAsync()
  } catch (e) {
    process.exitCode = exitOf(e)
  }
  // Node aborts, with a core dump, where it can't give a terminal back its settings
  if (terminalGone) process.removeAllListeners('SIGHUP').kill(process.pid, 'SIGHUP')
}

function exitOf(e: unknown): number {
  if (e instanceof UsageError) {
    process.stderr.write(`runbook: ${e.message}\n${e.hint === undefined ? '' : `  fix: ${e.hint}\n`}`)
    return 4
  }
  if (e instanceof Interrupted) return 130
  const { code, exitCode } = e as { code?: string; exitCode?: number }
  if (!code?.startsWith('commander.')) throw e
  return exitCode === 0 ? 0 : 4
}
