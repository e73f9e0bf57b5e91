import { spawn } from 'node:child_process'

// A terminal of its own for a program, by Python's pty: answers are typed when their question was seen.
const driver = `
import json, os, pty, select, sys, time
task = json.loads(sys.argv[1])
pid, fd = pty.fork()
if pid == 0: os.execvp(task["argv"][0], task["argv"])
screen, answers, end = b"", task["answers"], time.time() + task["seconds"]
while time.time() < end:
    if select.select([fd], [], [], 0.1)[0]:
        try: data = os.read(fd, 65536)
        except OSError: break
        if not data: break
        screen += data
    if answers and answers[0][0].encode() in screen:
        time.sleep(0.2)
        os.write(fd, answers.pop(0)[1].encode())
else: os.kill(pid, 9)
_, status = os.waitpid(pid, 0)
print(json.dumps({"status": os.waitstatus_to_exitcode(status), "screen": screen.decode("latin1")}))
`

/** Runs a program on a terminal and types.
 * @param answers what is seen, and what is typed then, in order. */
export function onTerminal(
  argv: readonly string[],
  answers: readonly (readonly [string, string])[],
  env: Readonly<Record<string, string>> = {},
): Promise<{ status: number; screen: string }> {
  const child = spawn('python3', ['-c', driver, JSON.stringify({ argv, answers, seconds: 60 })], {
    env: { ...process.env, TERM: 'xterm', ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.setEncoding('utf8').on('data', (t: string) => {
    text += t
  })
  return new Promise((resolve) => child.on('close', () => resolve(JSON.parse(text))))
}
