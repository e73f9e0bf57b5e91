import { batchesOf } from '../engine/batches.ts'
import type { ReadyPlay } from '../engine/prepare.ts'
import { asksAtOnce, Run, type RunOptions } from '../engine/run.ts'
import type { Target } from '../inventory/connection.ts'
import type { Value } from '../language/playbook.ts'
import { exitCode } from '../report/recap.ts'
import { connectTo } from './connect.ts'
import type { RunningOptions } from './options.ts'
import { askSecret } from './prompt.ts'
import { reporterFor } from './reporter.ts'
import { version } from './version.ts'

/** Runs plays that are ready, with progress and signals.
 * @returns the exit code. */
export async function runPlays(
  mode: 'apply' | 'check',
  plays: readonly ReadyPlay[],
  playbooks: readonly string[],
  extra: ReadonlyMap<string, Value>,
  options: RunningOptions,
): Promise<number> {
  const password = options.askPass ? await askSecret('SSH password: ') : undefined
  const same = password === undefined ? '' : ' (empty: the same)'
  const become = options.askBecomePass ? (await askSecret(`sudo password${same}: `)) || password : undefined
  const token = options.askVaultToken ? await askSecret('token of Vault or OpenBao: ') : undefined
  const targets = plays.flatMap((p) => p.hosts.map((h) => h.target))
  const connect = await connectTo(targets, atOnce(plays[0], options.forks), options, password)
  const reporter = await reporterFor(options, mode)
  const runOptions: RunOptions = {
    mode,
    plays,
    playbooks,
    version,
    extra,
    forks: options.forks,
    diff: options.diff ?? false,
    become: options.become ?? false,
    becomePassword: become,
    secrets: password === undefined ? [] : [password],
    ...(token === undefined ? {} : { asked: { VAULT_TOKEN: token } }),
    forceHandlers: options.forceHandlers ?? false,
    strict: options.strict ?? false,
    connect,
    emit: (event) => reporter.report(event),
  }
  const run = new Run(runOptions)
  const release = onSignals(run)
  try {
    const tally = await run.start()
    await reporter.end()
    return exitCode(tally, mode, { interrupted: run.interrupted })
  } finally {
    release()
  }
}

/** The hosts of the first play that are asked something at once. */
function atOnce(play: ReadyPlay | undefined, forks: number): Target[] {
  if (!play || !asksAtOnce(play)) return []
  const [first = []] = batchesOf(play.hosts, play.play.serial)
  return first.slice(0, forks).map((h) => h.target)
}

/** Milliseconds for the hosts to end what runs, and for the recap, after a second signal. */
const lastWords = 8000

/** The first signal lets the running steps end, the second ends everything, the third also this process as it stands. */
function onSignals(run: Run): () => void {
  let count = 0
  const handle = () => {
    count += 1
    if (count === 1) {
      process.stderr.write('\ninterrupted: the running steps end, nothing new starts; once more ends at once\n')
      run.stop()
    } else if (count === 2) {
      setTimeout(() => process.exit(130), lastWords).unref()
      void run.kill()
    } else process.exit(130)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const s of signals) process.on(s, handle)
  return () => {
    for (const s of signals) process.off(s, handle)
  }
}
