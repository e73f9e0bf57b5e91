import {
  type ApiAnswer,
  api,
  defineModule,
  entry,
  type Failure,
  fail,
  ifKnown,
  localFile,
  output,
  type Params,
  vaultServerParams,
  type WrongAnswer,
  waitForAnswer,
  waitStep,
} from '../src/module.ts'

const { ca_cert, tls_server_name, validate_certs } = vaultServerParams

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
    url: { type: 'string', pattern: '^https?://', description: 'A URL, as the host sees it.' },
    status_code: {
      type: 'array',
      items: { type: 'integer' },
      default: [200],
      description: 'With `url`: the answers that will do.',
    },
    ca_cert,
    tls_server_name,
    validate_certs,
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
    'It may wait for a `url` too. It is asked from the controller through the SSH connection, where certificates are verified; what time does not change, as http for https, is not waited out.',
  ],
})({
  reads: (p, _, known) => ({
    ...caOf(p),
    look: p.url === undefined ? output(['sh', '-c', ...lookArgs(p)]) : undefined,
    answer: p.url === undefined ? undefined : api(requestOf(p, p.url, caOf(p).ca && known(caOf(p).ca!))),
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
    const there = isWanted(p)
    // what an earlier step of this run makes of it is seen by the step itself
    const isSo = () => (a.answer ? wrongWith(p, a.answer) === undefined : (a.look!.status === 0) === there)
    if (p.delay === 0 && ifKnown(isSo)) return { steps: [], result }
    const wrong = p.url !== undefined && p.delay === 0 ? ifKnown(() => wrongWith(p, a.answer!)) : undefined
    if (wrong?.forGood) return failure(p, wrong)
    const what = p.url ?? p.path ?? `port ${p.port} of ${p.host}`
    const summary = `wait for ${what}${there ? '' : ' to be gone'}`
    const step =
      p.url === undefined
        ? waitStep(summary, ['sh', '-c', ...lookArgs(p)], { ...p, wanted: there })
        : waitForAnswer(summary, requestOf(p, p.url, a.ca), (answer) => wrongWith(p, answer), p)
    return {
      steps: [step],
      result,
      settle: ([end]) => {
        const elapsed = { result: { elapsed: Math.floor(end!.ms / 1000) } }
        if (end!.outcome === 'done') return elapsed
        if (p.url === undefined || end!.stdout.length === 0) return { ...elapsed, failed: p.msg ?? late(p, there) }
        const why = JSON.parse(end!.stdout.toString('utf8')) as WrongAnswer
        const failed = why.forGood ? why.failed : `${late(p, there)}: ${why.failed}`
        return { ...elapsed, ...failure(p, { ...why, failed }) }
      },
    }
  },
})

const isWanted = (p: P) => p.state === 'started' || p.state === 'present'

const caOf = (p: P) => ({ ca: p.ca_cert === undefined ? undefined : localFile(p.ca_cert) })

function requestOf(p: P, url: string, ca: { readonly bytes: Buffer } | undefined) {
  const tls = { ca: ca?.bytes.toString('utf8'), serverName: p.tls_server_name, unverified: !p.validate_certs }
  return { url, timeout: p.connect_timeout, ...(url.startsWith('https') ? { tls } : {}) }
}

/** Why an answer is not what is waited for. */
function wrongWith(p: P, answer: ApiAnswer): WrongAnswer | undefined {
  if ('unreachable' in answer) {
    const { unreachable: failed, sent: _, ...more } = answer
    // who is there and not believed is not gone
    return isWanted(p) || more.forGood ? { failed, ...more } : undefined
  }
  const fits = p.status_code.includes(answer.status)
  return fits === isWanted(p) ? undefined : { failed: `it answers ${answer.status}` }
}

function failure(p: P, { failed, hint }: WrongAnswer): Failure {
  const url = (scheme: string) => `\`url: ${p.url!.replace(/^https?/, scheme)}\``
  const more = hint?.replace(/`address: (https?):[^`]*`/, (_, scheme) => url(scheme))
  return fail(p.msg ?? failed, more === undefined ? {} : { hint: more })
}

/** In Ansible's words. */
function late(p: P, there: boolean): string {
  const what = p.url ?? p.path ?? `${p.host}:${p.port}`
  const end = there ? '' : p.path === undefined ? ' to stop' : ' to be absent'
  if (there && p.search_regex !== undefined)
    return `Timeout when waiting for search string ${p.search_regex} in ${what}`
  return `Timeout when waiting for ${there && p.path !== undefined ? 'file ' : ''}${what}${end}`
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

/** grep reads Perl's expressions, which differ from Python's in the end of the text. */
const perl = (regex: string) => regex.replace(/\\Z/g, '\\z')

function lookArgs(p: P): string[] {
  const regex = isWanted(p) && p.search_regex !== undefined ? perl(p.search_regex) : undefined
  if (p.path !== undefined)
    return regex === undefined ? ['test -e "$1"', 'sh', p.path] : [`${search}\ng "$2" "$1"`, 'sh', p.path, regex]
  const port = [p.host, String(p.port ?? 0), String(p.connect_timeout)]
  return regex === undefined ? [portLook, 'sh', ...port] : [saidLook, 'sh', ...port, regex]
}
