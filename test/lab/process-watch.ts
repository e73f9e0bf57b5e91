import { spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What processes had as arguments and environment while it was looked. */
export interface Watched {
  /** One a program that was seen: its arguments, a line break, its environment; bytes as latin1, parted by NUL. */
  readonly processes: readonly string[]
  /** Milliseconds from one look to the next, on average. */
  readonly pace: number
}

export interface Watch {
  readonly end: () => Promise<Watched>
}

/** Looks at all processes of this machine, the hosts' too, every 10 ms: a program of its own, since one look takes longer in
 * a Node that is busy. */
export async function watchProcesses(): Promise<Watch> {
  const dir = mkdtempSync(join(tmpdir(), 'process-watch-'))
  const [program, out] = [join(dir, 'watch'), join(dir, 'seen')]
  writeFileSync(join(dir, 'watch.c'), source)
  const made = spawnSync('gcc', ['-O2', '-o', program, join(dir, 'watch.c')], { encoding: 'utf8' })
  if (made.status !== 0) throw new Error(`gcc: ${made.stderr}`)
  const child = spawn(program, [out], { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = new Promise((resolve) => child.once('close', resolve))
  let said = ''
  child.stdout.on('data', (text) => {
    said += text
  })
  await new Promise((resolve) => child.stdout.once('data', resolve))
  return {
    end: async () => {
      child.stdin.end()
      await ended
      const text = readFileSync(out, 'latin1')
      rmSync(dir, { recursive: true, force: true })
      const processes = text.split(mark).filter((p) => p !== '')
      return { processes, pace: Number(said.trim().split('\n').at(-1)) }
    },
  }
}

const mark = '\0\n--\n'

// A program's environment is read when its arguments are new, and now and then again.
const source = `#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
enum { slots = 1 << 22, most = 1 << 18, every = 20 };
static unsigned long long last[slots], written[1 << 16];
static unsigned char args[most], env[most];
static long take(const char *pid, const char *what, unsigned char *into) {
  char path[64];
  snprintf(path, sizeof path, "/proc/%s/%s", pid, what);
  int f = open(path, O_RDONLY);
  if (f < 0) return 0;
  long all = 0, n;
  while (all < most && (n = read(f, into + all, most - all)) > 0) all += n;
  close(f);
  return all;
}
static unsigned long long mixed(unsigned long long h, const unsigned char *at, long n) {
  while (n-- > 0) h = (h ^ *at++) * 1099511628211ULL;
  return h | 1;
}
static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1e3 + t.tv_nsec / 1e6;
}
int main(int argc, char **argv) {
  umask(077);
  FILE *out = fopen(argv[argc - 1], "w");
  struct pollfd until = { 0, POLLIN, 0 };
  double begun = now();
  long looks = 0;
  puts("looking");
  fflush(stdout);
  for (;; looks++) {
    double at = now();
    DIR *all = opendir("/proc");
    for (struct dirent *e; (e = readdir(all));) {
      if (!isdigit(e->d_name[0])) continue;
      long n = take(e->d_name, "cmdline", args);
      if (n == 0) continue;
      unsigned long long h = mixed(14695981039346656037ULL, args, n), *seen = &last[atol(e->d_name) % slots];
      if (*seen == h && (looks + atol(e->d_name)) % every) continue;
      *seen = h;
      long m = take(e->d_name, "environ", env);
      h = mixed(h, env, m);
      unsigned long long *kept = &written[h % (1 << 16)];
      if (*kept == h) continue;
      *kept = h;
      fwrite(args, 1, n, out);
      fputc('\\n', out);
      fwrite(env, 1, m, out);
      fwrite("\\0\\n--\\n", 1, 5, out);
    }
    closedir(all);
    double left = at + 10 - now();
    if (poll(&until, 1, left > 0 ? (int)(left + 0.5) : 0) != 0) break;
  }
  fclose(out);
  printf("%f\\n", (now() - begun) / (looks + 1));
  return 0;
}
`
