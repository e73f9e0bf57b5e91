// The loop that runs on the host, as one word of one command line. Login shells differ, so the text holds no single quote,
// backslash, exclamation mark or line break: then sh, bash, dash, zsh, fish and csh all hand it on unchanged.
//
// Two processes share the work. The background one owns standard input: it stores each frame in a private directory as it
// arrives, so that nothing sent ahead ever waits for a step, and it learns at once of an order to stop and of a connection
// that is gone, when it ends the running step's whole process group. The foreground one runs stored scripts one by one
// (background jobs would have SIGINT ignored, and so would everything they start).
//
// Controller to host, each a header line `KIND NAME LENGTH`, for b and s with LENGTH bytes and a line break behind it (where
// that is missing the connection went, and what came is not whole):
//   b  a blob, stored as $d/NAME           s  a script, stored and queued; runs with fd 3 as its way to the controller
//   x  start no further step               q  end when the queue is empty
//   t  end the script NAME: the one that runs, or that is about to
// A script whose name starts with `a` (a step) is passed over, with status 98, when a step before it failed or `x` came; any
// other script (reads) clears such a failure, so what is asked behind steps is always answered.
// Host to controller: a line with the nonce (what stands before it is a noisy login's), then what scripts write on fd 3,
// and after each a line break and `NONCE NAME STATUS` (no script knows the nonce, so no bytes of a script look like its end).

// exact in GNU and busybox; one that does not know these words says so before it reads anything (where the disk is full it
// has read, and nothing else may be tried)
const dd = 'dd bs=65536 iflag=fullblock,count_bytes count=$1 2>/dev/null'
// tried on a pipe when that one failed: busybox head reads ahead and would lose what follows
const others = ['head -c $1', 'dd bs=1 count=$1 2>/dev/null']

const tryOthers = [
  'O() { y=$(echo 123; echo 45678)',
  ...others.map(
    (r, i) =>
      `${i ? 'elif' : 'if'} R() { ${r}; }; test "$(echo 12345678 | { R 3; echo; cat; } 2>/dev/null | tr -d " ")" = "$y"; then :`,
  ),
  'else : >"$d/v"; K; fi; }',
].join('; ')

const loop = (nonce: string, shell: string): string =>
  [
    // one process for both; a name may hold a blank
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is shell
    'x=$(umask; umask 077; cd "${TMPDIR:-/tmp}" >/dev/null && mktemp -d "$PWD/runbook.XXXXXXXXXX") || exit 97',
    // biome-ignore lint/suspicious/noTemplateCurlyInString: it is shell
    'umask 077; set -- ${x%%/*}; m=$1 d=/${x#*/}',
    'Z() { rm -rf "$d"; }',
    'trap Z 0',
    'E() { test -e "$d/v" && exit 96; test -e "$d/w" && exit 94; exit 129; }',
    'trap E 1 2 13 15',
    'S=; command -v setsid >/dev/null 2>&1 && S=setsid',
    // a script that was killed itself left what it made beside its places: $d/t says how it goes
    'T() { test -s "$d/t" && { . "$d/t"; : >"$d/t"; }; }',
    'W() { for n in $2 1 2 3 4 5 6 7 8 9 10; do kill -0 $1 2>/dev/null || return 0; sleep 0.1 2>/dev/null || sleep 1; done; kill -KILL $1 2>/dev/null; }',
    // the step's group first, then the loop itself, whose exit trap removes the directory unless it was killed. Where no file
    // can be made any more `:` would end the shell, and with it the watch: `echo` fails alone, here and at `t`
    'K() { echo >"$d/k"; test -s "$d/p" && read -r p <"$d/p" && kill -TERM "-$p" 2>/dev/null && W "-$p"; T; kill -TERM $$ 2>/dev/null && W $$; rm -rf "$d"; exit 0; }',
    `R() { ${dd}; }; r=`,
    tryOthers,
    'mkfifo "$d/f" || exit 95',
    'exec 5<&0 </dev/null',
    // at `t` the group is read before the name: while that one still runs it is its group, and no later one's
    'D() { while read -r k i n; do case $k in ' +
      'b|s) R "$n" >"$d/$i" || { test -z "$r" && echo >"$d/y" && O && R "$n" >"$d/$i"; } || { rm -f "$d/$i"; : >"$d/w"; K; }; r=1; read -r z && test -z "$z" || K; test $k = b || echo "$i";; ' +
      'x) : >"$d/x";; ' +
      't) echo >"$d/l$i"; read -r p <"$d/p" && test "$(cat "$d/c" 2>/dev/null)" = "$i" && { { kill -TERM "-$p"; W "-$p" "1 2 3 4 5 6 7 8 9 10"; } >/dev/null 2>&1 & };; ' +
      'q) echo q; wait; exit 0;; ' +
      'esac; done; K; }',
    // the watcher alone writes to the queue: when it is gone, the loop ends too. The loop waits for its end: who hears that
    // the loop has ended may remove the user whose processes both are
    'D <&5 5<&- >"$d/f" 2>/dev/null & exec 5<&- 6<"$d/f"',
    `echo ${nonce}`,
    `while read -r i <&6; do test "$i" = q && { wait; exit 0; }; ` +
      'case $i in a*) test -e "$d/x" || test -e "$d/z";; *) test -e "$d/z" && rm -f "$d/z"; false;; esac && e=98 || { ' +
      `echo "$i" >"$d/c"; d="$d" m="$m" $S ${shell} "$d/$i" 3>&1 >/dev/null 2>&1 6<&-; e=$?; ` +
      'test -e "$d/k" && E; test "$e" = 0 || case $i in a*) : >"$d/z";; esac; T; }; ' +
      // no process for what goes with the directory in the end
      `: >"$d/p"; : >"$d/c"; : >"$d/$i"; echo; echo ${nonce} "$i" "$e"; done`,
    'exit 93',
  ].join('; ')

/** The command line that starts the loop. `nonce` is a fresh word of letters and digits; `shell` the POSIX shell to run it.
 * Exit codes of its own: 93 the watcher is gone, 94 no room for what was sent, 95 no FIFO, 96 no exact reader, 97 no private
 * directory, 129 told to end. */
export function bootstrapCommand(nonce: string, shell = 'sh'): string {
  const text = loop(nonce, shell).replaceAll('& ;', '&').replaceAll('&; ', '& ')
  if (/['\\!\n]/.test(text)) throw new Error('the bootstrap holds a character that a login shell would change')
  return `exec ${shell} -c '${text}'`
}

/** What every script starts with: its process group for the watcher, and the login's own umask back. An order to end that
 * came before the watcher could read the group is found here: of the two, one sees what the other wrote. */
export const scriptHead =
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is shell
  'echo $$ >"$d/p"; test -d "$d" && test ! -e "$d/k" && test ! -e "$d/l${0##*/}" || exit 143; umask "$m"\n'
