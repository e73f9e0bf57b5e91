import { defineModule, entry, type Failure, fail, output, type Params, UnknownValue, waitStep } from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    port: { type: 'integer', minimum: 1, maximum: 65535, description: 'A TCP port.' },
    host: { type: 'string', default: '127.0.0.1', description: 'Where the port is, as the host sees it.' },
    path: { type: 'string', hostPath: true, description: 'A path.' },
    search_regex: {
      type: 'string',
      format: 'python-regexp',
      description: 'A Python regular expression that the file, or a line of what the port says, has to fit.',
    },
    url: { type: 'string', pattern: '^https?://', description: 'A URL, asked from the host by curl or wget.' },
    status_code: {
      type: 'array',
      items: { type: 'integer' },
      default: [200],
      description: 'With `url`: the answers that will do.',
    },
    state: {
      type: 'string',
      enum: ['started', 'present', 'stopped', 'absent'],
      default: 'started',
      description: 'Whether it is to answer or be there, or not.',
    },
    timeout: { type: 'integer', default: 300, minimum: 1, description: 'Seconds until it fails.' },
    delay: { type: 'integer', default: 0, description: 'Seconds before the first look.' },
    sleep: { type: 'number', default: 1, description: 'Seconds between two looks.' },
    connect_timeout: { type: 'integer', default: 5, description: 'Seconds that one look may take.' },
    msg: { type: 'string', description: 'What is said when it fails.' },
  },
  exclusive: [
    ['port', 'path', 'url'],
    ['url', 'search_regex'],
  ],
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'wait_for',
  summary: 'Waits for a port, a path or a URL, as the host sees it.',
  harmless: true,
  params,
  examples:
    '- wait_for: { port: 8200, timeout: 30 }\n- wait_for: { url: "http://127.0.0.1:8200/v1/sys/health", status_code: [200, 429, 501, 503] }',
  differences: [
    '`state: drained`, `exclude_hosts` and `active_connection_states` are not there.',
    '`register` gives no `match_groups`; the expression is read by grep -P, or where a host has none by grep -E, line by line.',
    'It may wait for a `url` too; that http is used for https, or the other way round, is not waited out.',
  ],
})({
  reads: (p) => ({
    look: output(['sh', '-c', ...lookArgs(p)]),
    at: p.path === undefined ? undefined : entry(p.path),
  }),
  plan: (p, a) => {
    const result = { state: p.state, port: p.port, path: p.path, search_regex: p.search_regex, elapsed: 0 }
    if (p.port === undefined && p.path === undefined && p.url === undefined) {
      if (p.search_regex !== undefined) return fail('`search_regex` goes with `path` or `port`')
      const steps = [waitStep(`wait ${p.timeout} s`, ['sh', '-c', 'exit 1'], { ...p, forever: true })]
      return { steps, result: { ...result, elapsed: p.timeout } }
    }
    if (p.path !== undefined && p.state === 'stopped') return fail('`state: stopped` is for a port: a path is `absent`')
    const there = p.state === 'started' || p.state === 'present'
    // what an earlier step of this run makes of it is seen by the step itself
    const status = p.delay === 0 ? statusOf(() => a.look) : undefined
    if (status !== undefined && (status === 0) === there) return { steps: [], result }
    if (status === otherScheme && there) return otherwise(p)
    const what = p.url ?? p.path ?? `port ${p.port} of ${p.host}`
    const summary = `wait for ${what}${there ? '' : ' to be gone'}`
    return {
      steps: [waitStep(summary, ['sh', '-c', ...lookArgs(p)], { ...p, wanted: there, vain: otherScheme })],
      result,
      settle: ([end]) => ({
        result: { elapsed: Math.floor(end!.ms / 1000) },
        ...(end!.status === 0 ? {} : end!.status === otherScheme ? otherwise(p) : { failed: p.msg ?? late(p, there) }),
      }),
    }
  },
})

/** In Ansible's words. */
function late(p: P, there: boolean): string {
  const what = p.url ?? p.path ?? `${p.host}:${p.port}`
  const end = there ? '' : p.path === undefined ? ' to stop' : ' to be absent'
  if (there && p.search_regex !== undefined)
    return `Timeout when waiting for search string ${p.search_regex} in ${what}`
  return `Timeout when waiting for ${there && p.path !== undefined ? 'file ' : ''}${what}${end}`
}

/** The status of a look that the other one of http and https would answer. */
const otherScheme = 9

/** Time does not change it. */
function otherwise({ url = '', msg }: P): Failure {
  const isTls = url.startsWith('https:')
  const other = isTls ? url.replace('https:', 'http:') : url.replace('http:', 'https:')
  return fail(msg ?? `what answers at ${url} ${isTls ? 'does not speak TLS' : 'speaks TLS, and was asked without'}`, {
    hint: `\`url: ${other}\``,
  })
}

function statusOf(look: () => { status: number }): number | undefined {
  try {
    return look().status
  } catch (e) {
    if (e instanceof UnknownValue) return undefined
    throw e
  }
}

// as Python's re with re.MULTILINE over the whole file; without grep -P line by line
const search = `g() { grep -Pzq -- "(?m)$1" "$2" 2>/dev/null; e=$?; test $e -le 1 && return $e; grep -Eq -- "$1" "$2" 2>/dev/null; }`

const portLook = `h=$1 p=$2 t=$3
if command -v bash >/dev/null 2>&1; then timeout "$t" bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$h" "$p" 2>/dev/null
elif command -v nc >/dev/null 2>&1; then nc -z -w "$t" "$h" "$p" >/dev/null 2>&1
else x=$(printf ':%04X' "$p"); awk -v x="$x" 'substr($2, length($2) - 4) == x && $4 == "0A" { f = 1 } END { exit !f }' /proc/net/tcp /proc/net/tcp6; fi`

// bash keeps the part of a line that came before its time was up
const saidLook = `timeout "$3" bash -c 'exec 3<>"/dev/tcp/$0/$1" || exit 1
l=; while IFS= read -r -t 1 l <&3 || test -n "$l"; do printf "%s\n" "$l" | grep -Pq -- "$2" && exit 0; l=; done; exit 1' "$1" "$2" "$4" 2>/dev/null`

// a server that speaks TLS answers 400 to who does not, and one that does not, nothing to who does
const urlLook = `u=$1 t=$2; shift 2
code() { if command -v curl >/dev/null 2>&1; then curl -s -k -o /dev/null -m "$t" -w '%{http_code}' -- "$1"
else wget -q -S -T "$t" --no-check-certificate -O /dev/null -- "$1" 2>&1 | awk '/HTTP\\// { c = $2 } END { print c }'; fi; }
c=$(code "$u"); for w; do test "$c" = "$w" && exit 0; done
case $u:$c in http:*:400) c=$(code "https\${u#http}"); case $c in ""|000) exit 1;; esac; exit ${otherScheme};;
https:*:|https:*:000) c=$(code "http\${u#https}"); case $c in ""|000|400) exit 1;; esac; exit ${otherScheme};; esac; exit 1`

/** grep reads Perl's expressions, which differ from Python's in the end of the text. */
const perl = (regex: string) => regex.replace(/\\Z/g, '\\z')

function lookArgs(p: P): string[] {
  if (p.url !== undefined) return [urlLook, 'sh', p.url, String(p.connect_timeout), ...p.status_code.map(String)]
  const there = p.state === 'started' || p.state === 'present'
  const regex = there && p.search_regex !== undefined ? perl(p.search_regex) : undefined
  if (p.path !== undefined)
    return regex === undefined ? ['test -e "$1"', 'sh', p.path] : [`${search}\ng "$2" "$1"`, 'sh', p.path, regex]
  const port = [p.host, String(p.port ?? 0), String(p.connect_timeout)]
  return regex === undefined ? [portLook, 'sh', ...port] : [saidLook, 'sh', ...port, regex]
}
