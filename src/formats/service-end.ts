/** Why a service ended, and the likely fix. Both without a full stop. */
export interface Reason {
  readonly message: string
  readonly hint: string
}

/** What stands in a log, and what it means. */
export type Meanings = readonly (readonly [RegExp, (m: RegExpExecArray) => Reason])[]

/** What the latest line of a log that means something means: those before it may be of an earlier start. */
export function meaningOf(log: string, meanings: Meanings): Reason | undefined {
  for (const line of log.split('\n').reverse())
    for (const [pattern, reason] of meanings) {
      const found = pattern.exec(line)
      if (found) return reason(found)
    }
  return undefined
}

const systemd: Meanings = [
  [
    /status=243\/CREDENTIALS/,
    () => ({
      message: 'a credential of its unit is not there, or cannot be read',
      hint: 'see that each file which LoadCredential= names is there: service_credential writes one with its unit',
    }),
  ],
  [
    /Failed to load environment files: (.*)/,
    ([, why]) => ({
      message: `a file that EnvironmentFile= names cannot be read: ${why}`,
      hint: 'make it, or put `-` before its path in the unit where it may be missing',
    }),
  ],
  [
    /Failed to locate executable (\S+): (.*)/,
    ([, path, why]) => ({
      message: `its program ${path} cannot be run: ${why}`,
      hint: 'install it, or correct ExecStart=',
    }),
  ],
  [
    /status=203\/EXEC/,
    () => ({
      message: 'its program cannot be run',
      hint: 'see that what ExecStart= names is there, may be executed by its user, and is for this kind of machine',
    }),
  ],
  [
    /status=21([67])\/(GROUP|USER)/,
    (m) => ({
      message: `the ${m[2]!.toLowerCase()} of its unit is not there`,
      hint: `make it first, or correct ${m[2] === 'USER' ? 'User' : 'Group'}=`,
    }),
  ],
  [
    /status=200\/CHDIR/,
    () => ({
      message: 'its working directory cannot be entered',
      hint: 'make the directory that WorkingDirectory= names, and see that its user may enter it',
    }),
  ],
  [
    /status=226\/NAMESPACE/,
    () => ({
      message: 'the host does not give it the namespaces that its unit asks for',
      hint: 'see that the paths of ReadWritePaths= and the like are there; some containers have no namespaces at all',
    }),
  ],
  [
    /status=218\/CAPABILITIES/,
    () => ({
      message: 'the host does not give it the capabilities that its unit asks for',
      hint: 'a container may lack them: compare AmbientCapabilities= with what the host has',
    }),
  ],
  [
    /unmet condition check \(Condition(FileNotEmpty|PathExists)=([^!].*)\)/,
    (m) => ({
      message: `${m[2]} is not there${m[1] === 'FileNotEmpty' ? ', or is empty' : ''}, and without it the unit is passed over`,
      hint: 'write it first',
    }),
  ],
  [
    /Failed with result 'oom-kill'/,
    () => ({ message: 'the host had no memory left for it', hint: 'give the host more, or raise MemoryMax=' }),
  ],
  [
    /Start request repeated too quickly/,
    () => ({
      message: 'it was started too often in a short time, and systemd gave up',
      hint: 'its log says why the starts before this one failed: `journalctl -u` with its name',
    }),
  ],
]

/** What systemd's words in the log of a service say of its end. */
export const serviceEnd = (log: string): Reason | undefined => meaningOf(log, systemd)
