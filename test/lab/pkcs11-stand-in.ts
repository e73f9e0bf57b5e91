import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { rootOf, softhsmPath } from './hsm.ts'
import type { Lab } from './lab.ts'

/** Compiles a library that stands in for an HSM's, and puts it on a host: SoftHSM2 with what SoftHSM2 never does. It notes
 * each login in a file; a token's flags may be added to; or it aborts when it is initialised, or needs what is not there.
 * @param does `aborts`, `hangs`, `lacks` another library, `forgets` wrong PINs,
 * `mumbles` (forgets them, and does not say that it was the PIN), or a number of flags that it adds to the token's. */
export type Does = 'aborts' | 'hangs' | 'lacks' | 'forgets' | 'mumbles' | number

export function placeStandIn(lab: Lab, host: string, path: string, does: Does): void {
  makeStandIn(join(rootOf(lab, host), path), path, does)
}

/** @param out where it is put
 * @param path where it will be found: beside that it notes logins */
export function makeStandIn(out: string, path: string, does: Does): void {
  const dir = mkdtempSync(join(tmpdir(), 'stand-in-'))
  try {
    writeFileSync(join(dir, 'stand-in.c'), source)
    writeFileSync(join(dir, 'part.c'), 'int runbook_part(void) { return 1; }\n')
    const options = typeof does === 'number' ? [`-DFLAGS=${does}UL`] : [`-D${does.toUpperCase()}`]
    const part = does === 'lacks' ? [join(dir, 'libpart-of-runbook.so')] : []
    if (does === 'lacks') compile(['-Wl,-soname,libpart-of-runbook.so', '-o', part[0]!, join(dir, 'part.c')])
    mkdirSync(dirname(out), { recursive: true })
    const names = [`-DREAL="${softhsmPath}"`, `-DLOGINS="${path}.logins"`]
    compile(['-o', out, ...options, ...names, join(dir, 'stand-in.c'), ...part, '-ldl'])
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function compile(args: readonly string[]): void {
  const done = spawnSync('gcc', ['-shared', '-fPIC', '-O1', ...args], { encoding: 'utf8' })
  if (done.status !== 0) throw new Error(`gcc: ${done.stderr}`)
}

// places in CK_FUNCTION_LIST, behind its version: C_Initialize 1, C_GetTokenInfo 7, C_Login 19
const source = `#include <dlfcn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#ifndef FLAGS
#define FLAGS 0UL
#endif
typedef unsigned long rv;
typedef struct { void *at[96]; } list;
static list *real, mine;
#ifdef LACKS
int runbook_part(void);
int needed(void) { return runbook_part(); }
#endif

static rv initialize(void *args) {
#ifdef ABORTS
  abort();
#endif
#ifdef HANGS
  sleep(600);
#endif
  return ((rv (*)(void *))real->at[1])(args);
}

static rv token_info(unsigned long slot, unsigned char *info) {
  rv r = ((rv (*)(unsigned long, unsigned char *))real->at[7])(slot, info);
  unsigned long flags;
  if (r == 0) {
    memcpy(&flags, info + 96, sizeof flags);
    flags |= FLAGS;
#if defined FORGETS || defined MUMBLES
    flags &= ~0x70000UL;
#endif
    memcpy(info + 96, &flags, sizeof flags);
  }
  return r;
}

static rv login(unsigned long session, unsigned long user, unsigned char *pin, unsigned long length) {
  FILE *f = fopen(LOGINS, "a");
  if (f) { fprintf(f, "login\\n"); fclose(f); }
  rv r = ((rv (*)(unsigned long, unsigned long, unsigned char *, unsigned long))real->at[19])(session, user, pin, length);
#ifdef MUMBLES
  if (r) return 6;
#endif
  return r;
}

rv C_GetFunctionList(list **out) {
  void *library = dlopen(REAL, RTLD_NOW);
  if (!library) return 5;
  rv r = ((rv (*)(list **))dlsym(library, "C_GetFunctionList"))(&real);
  if (r) return r;
  memcpy(&mine, real, 69 * sizeof(void *));
  mine.at[1] = initialize;
  mine.at[7] = token_info;
  mine.at[19] = login;
  *out = &mine;
  return 0;
}
`
