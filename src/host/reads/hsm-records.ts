import { toolTrouble } from '../../formats/pkcs11/tool.ts'
import { fromBytes } from '../bytes.ts'

// What the scripts that ask a PKCS #11 library tell, one record for each thing that was tried.

/** Records: a line `NAME STATUS LENGTH LENGTH`, and what was said on both outputs. X runs and tells, N tells only. */
export const prelude = `export LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin
S() { if test -s "$1"; then set -- $(wc -c <"$1"); else set -- 0; fi; printf ' %s' "$1"; }
A() { printf '%s %s' "$1" "$2"; S "$d/o"; S "$d/e"; echo; cat "$d/o" "$d/e"; } >&3
N() { echo "$1 0 0 0" >&3; }
X() { n=$1; shift; "$@" >"$d/o" 2>"$d/e" </dev/null; r=$?; A "$n" $r; return $r; }`

export interface Reply {
  readonly status: number
  readonly stdout: string
  readonly stderr: string
}

/** By their names. */
export type Records = ReadonlyMap<string, Reply>

/** @returns one for each question, which ends in a record `end`.
 * @throws Error when the host broke off */
export function recordsOf(bytes: Buffer, questions: number): Records[] {
  const all: Map<string, Reply>[] = []
  let at = 0
  for (let records = new Map<string, Reply>(); all.length < questions; ) {
    const line = bytes.indexOf(10, at)
    const [name = '', status, out, err] = bytes.subarray(at, line).toString('latin1').split(' ')
    const [from, middle] = [line + 1, line + 1 + Number(out)]
    at = middle + Number(err)
    if (line === -1 || at > bytes.length) throw new Error('the host broke off what it said of a PKCS #11 library')
    records.set(name, {
      status: Number(status),
      stdout: fromBytes(bytes.subarray(from, middle)),
      stderr: fromBytes(bytes.subarray(middle, at)),
    })
    if (name !== 'end') continue
    all.push(records)
    records = new Map()
  }
  return all
}

export const troubleOf = (record: Reply | undefined, at: string) =>
  record && toolTrouble(at, record.status, record.stderr)
