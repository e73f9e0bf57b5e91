"""Runs a command on a pseudo-terminal: COLUMNS ROWS STEPS COMMAND... Copies what it writes to standard output, and exits as it does.

STEPS is a JSON list of {"see": text, "send": text | "columns": number | "touch": path}: each waits for its text, after that
of the one before."""
import fcntl, json, os, pty, struct, sys, termios

columns, rows = int(sys.argv[1]), int(sys.argv[2])
steps = json.loads(sys.argv[3])


def resize(fd, width):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, width, 0, 0))


ready, go = os.pipe()
pid, fd = pty.fork()
if pid == 0:
    os.read(ready, 1)
    os.execvp(sys.argv[4], sys.argv[4:])
resize(fd, columns)
os.write(go, b"x")
seen = b""
while True:
    try:
        chunk = os.read(fd, 65536)
    except OSError:
        break
    if not chunk:
        break
    seen += chunk
    sys.stdout.buffer.write(chunk)
    while steps and (at := seen.find(steps[0]["see"].encode())) >= 0:
        step = steps.pop(0)
        seen = seen[at + 1 :]
        if "columns" in step:
            resize(fd, step["columns"])
        if "send" in step:
            os.write(fd, step["send"].encode())
        if "touch" in step:
            open(step["touch"], "w").close()
sys.stdout.buffer.flush()
code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
sys.exit(code if code >= 0 else 128 - code)
