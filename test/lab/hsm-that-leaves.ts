import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { softhsmPath } from './hsm.ts'

/** On a host: what is to happen when pkcs11-tool has decrypted the next time, as shell text. */
export const leavesFile = '/var/lib/softhsm/leaves'

/** Compiles a library that stands in for an HSM's: SoftHSM2, and when pkcs11-tool is done with it after it decrypted, which a
 * look at a seal's key ends with, the shell text in `leavesFile` runs, once. So what happens then happens between the look
 * and what follows from it, whatever takes how long. */
export function makeLeavingLibrary(out: string): void {
  const dir = mkdtempSync(join(tmpdir(), 'leaves-'))
  try {
    writeFileSync(join(dir, 'leaves.c'), source)
    const made = spawnSync('gcc', ['-shared', '-fPIC', '-O1', '-o', out, join(dir, 'leaves.c'), '-ldl'], {
      encoding: 'utf8',
    })
    if (made.status !== 0) throw new Error(`gcc: ${made.stderr}`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

// places in CK_FUNCTION_LIST, behind its version: C_Finalize 2, C_DecryptInit 34
const source = `#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
typedef unsigned long rv;
typedef struct { void *at[96]; } list;
static list *real, mine;
static int decrypted;

static rv decrypt_init(unsigned long session, void *mechanism, unsigned long key) {
  decrypted = 1;
  return ((rv (*)(unsigned long, void *, unsigned long))real->at[34])(session, mechanism, key);
}

static rv finalize(void *nothing) {
  rv r = ((rv (*)(void *))real->at[2])(nothing);
  if (decrypted && !strcmp(program_invocation_short_name, "pkcs11-tool") && rename("${leavesFile}", "${leavesFile}.now") == 0)
    if (system(". ${leavesFile}.now") == -1) return 5;
  return r;
}

rv C_GetFunctionList(list **out) {
  void *library = dlopen("${softhsmPath}", RTLD_NOW);
  if (!library) return 5;
  rv r = ((rv (*)(list **))dlsym(library, "C_GetFunctionList"))(&real);
  if (r) return r;
  memcpy(&mine, real, 69 * sizeof(void *));
  mine.at[2] = finalize;
  mine.at[34] = decrypt_init;
  *out = &mine;
  return 0;
}
`
