import { randomBytes } from 'node:crypto'
import { toBytes } from './bytes.ts'
import type { Way } from './channel.ts'
import { type Shell, shellWith } from './shell.ts'

/** A kind of question about a host; `Q` is one question as data, `A` its answer. */
export type ReadKind<Q, A> = ShellKind<Q, A> | CallKind<Q, A>

interface KindOf<Q, A> {
  readonly name: string
  /** Tells two questions apart. It may be shown: what is secret is in it as a hash. */
  readonly key: (question: Q) => string
  /** The paths an answer is about: what happens to them changes it. */
  readonly paths?: (question: Q) => readonly string[]
  /** To be refused has a price, as a wrong PIN has: only a task that is about to need the answer asks, and nothing asks
   * again by itself. */
  readonly sparing?: Sparing<Q, A>
  /** To ask uses something up, so only an apply does: why a check does not know the answer. */
  readonly spends?: (question: Q) => string
  /** What is different between what was predicted and what is, in words; fields that were not predicted are left out. */
  difference(predicted: A, actual: A): string | undefined
}

/** A question that the host's shell answers. The kind owns its shell text and its parser; nothing else knows either. */
export interface ShellKind<Q, A> extends KindOf<Q, A> {
  /** Shell text that writes the answers of all these questions to fd 3. It may use $d, a private directory, and `$G`, which
   * is not empty where `find` is GNU's. It runs in a shell of its own, unless it is `inline`. */
  readonly script: (questions: readonly Q[], sh: Shell) => string
  /** Its text shares a shell with others before and behind it, since a shell of its own is a process more: it never exits,
   * and sets what it uses. It finds no positional parameters, and the login's directory. */
  readonly inline?: true
  /** The answers, one a question in their order.
   * @throws Error when the host answered what cannot be understood. */
  readonly parse: (output: Buffer, questions: readonly Q[]) => readonly A[]
  readonly call?: undefined
}

/** A question that is answered by calls to addresses as the host sees them, beside the shell. */
export interface CallKind<Q, A> extends KindOf<Q, A> {
  /** Changes nothing. What the other side says, or that it says nothing, is an answer.
   * @throws ConnectError when the host itself is lost. */
  readonly call: (question: Q, way: Way) => Promise<A>
  /** What is asked, in words and without secrets, for errors. */
  readonly about: (question: Q) => string
  readonly script?: undefined
}

export interface Sparing<Q, A> {
  /** Equal for questions that are refused together, over all hosts; undefined for one that is asked whatever was refused. */
  readonly alike: (question: Q) => string | undefined
  /** Of alike questions, equal for those that are granted together. */
  readonly same: (question: Q) => string
  /** Undefined: it was neither, and had no price. */
  outcome(answer: A): 'granted' | 'refused' | undefined
  /** The answer to a question that is not asked, since one like it was refused, by this answer. */
  instead(refused: A): A
  /** An answer for the rest of the run, whatever steps do, to all questions of one mark over all hosts. */
  readonly kept?: { readonly as: (question: Q) => string; holds(answer: A): boolean }
}

/** One question, ready to be asked. `A` is the answer's shape. */
export interface Read<A = unknown> {
  // biome-ignore lint/suspicious/noExplicitAny: a list of reads of many kinds has no one question type
  readonly kind: ReadKind<any, A>
  readonly question: unknown
  /** Equal for equal questions. */
  readonly key: string
}

export type AnswerOf<R> =
  R extends Read<infer A> ? A : R extends readonly (infer I)[] ? readonly AnswerOf<I>[] : undefined

export function read<Q, A>(kind: ReadKind<Q, A>, question: Q): Read<A> {
  return { kind, question, key: `${kind.name} ${kind.key(question)}` }
}

/** One request for many reads of the shell: reads of a kind are merged, equal ones asked once. */
export interface Request {
  readonly script: Buffer
  /** Answers by read key.
   * @throws Error when the output is not this request's. */
  readonly parse: (output: Buffer) => Map<string, unknown>
}

/** Found out once a session, and without a process where the distribution's own `find` is there. */
const gnuFind = `if test -e "$d/G"; then read -r G <"$d/G"; else G=
for p in /var/lib/dpkg/info/findutils.list /usr/share/licenses/findutils; do test -e $p && test ! -L /usr/bin/find && command -v find >"$d/G" && read -r G <"$d/G" && case $G in /usr/bin/find|/bin/find) G=1;; *) G=;; esac; done
test -n "$G" || { find /dev/null -prune -printf "" 2>/dev/null && G=1; }; echo "$G" >"$d/G"; fi`

/** What is answered by calls is passed over. */
export function composeRequest(reads: readonly Read[], blob: (bytes: Buffer) => string): Request {
  const separator = randomBytes(16).toString('hex')
  const sh = shellWith(blob)
  // biome-ignore lint/suspicious/noExplicitAny: see Read
  const groups = new Map<ShellKind<any, unknown>, Map<string, Read>>()
  for (const r of reads) {
    if (r.kind.call) continue
    const group = groups.get(r.kind) ?? new Map<string, Read>()
    groups.set(r.kind, group.set(r.key, r))
  }
  const parts = [...groups].map(([kind, group]) => {
    const questions = [...group.values()].map((r) => r.question)
    return { kind, keys: [...group.keys()], questions, text: kind.script(questions, sh) }
  })
  const texts = parts.map(({ kind, text }) => (kind.inline ? `set --; cd "$w"\n${text}` : `(\n${text}\n)`))
  const script = [
    'umask 077',
    gnuFind,
    'w=$PWD',
    ...texts.map((text) => `${text}\nprintf '\\n${separator}\\n' >&3`),
  ].join('\n')
  const parse = (output: Buffer) => {
    const answers = new Map<string, unknown>()
    const outputs = splitBy(output, Buffer.from(`\n${separator}\n`))
    if (outputs.length !== parts.length + 1) throw new Error('the host ended a read before its answer was whole')
    parts.forEach(({ kind, keys, questions }, i) => {
      const parsed = kind.parse(outputs[i]!, questions)
      keys.forEach((key, k) => {
        answers.set(key, parsed[k])
      })
    })
    return answers
  }
  return { script: toBytes(script), parse }
}

function splitBy(bytes: Buffer, separator: Buffer): Buffer[] {
  const parts: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf(separator); at !== -1; at = bytes.indexOf(separator, from)) {
    parts.push(bytes.subarray(from, at))
    from = at + separator.length
  }
  parts.push(bytes.subarray(from))
  return parts
}

/** Asks what is answered by calls, all at once.
 * @throws ConnectError */
export async function askCalls(reads: readonly Read[], way: Way): Promise<Map<string, unknown>> {
  const calls = new Map(reads.flatMap((r) => (r.kind.call ? [[r.key, r.kind.call(r.question, way)] as const] : [])))
  const answers = await Promise.all(calls.values())
  return new Map([...calls.keys()].map((key, i) => [key, answers[i]]))
}
