import {
  content,
  defineModule,
  entry,
  fail,
  followed,
  hasOtherPassword,
  localFile,
  mayBeP12,
  ownershipParams,
  type Params,
  parseMode,
  parseTagged,
  placeFile,
  printTagged,
  setTag,
  type Tagged,
  tagValues,
} from '../src/module.ts'

const params = {
  type: 'object',
  properties: {
    path: {
      type: 'string',
      hostPath: true,
      default: '/etc/fxpkcs11.cfg',
      description: 'The file; where there is none it is made. Of a link, what it leads to.',
    },
    address: { type: 'string', description: 'The HSM, by address or name (ADDRESS).' },
    crypto_operator: { type: 'string', description: 'The identity on the HSM, exactly (CRYPTO-OPR).' },
    prod_port: {
      type: 'integer',
      minimum: 1,
      maximum: 65535,
      description: 'The production port, 9100 by default of the HSM (PROD-PORT); turns PROD-ENABLED on.',
    },
    tls_anonymous: { type: 'boolean', description: 'TLS without a certificate of the client (PROD-TLS-ANONYMOUS).' },
    tls_ca: {
      type: 'array',
      items: { type: 'string' },
      description: 'The files of the CA certificates (PROD-TLS-CA, one each).',
    },
    tls_cert: { type: 'string', description: 'The file of the client’s certificate (PROD-TLS-CERT).' },
    tls_key: { type: 'string', description: 'The file of its key: PKCS #1, PKCS #8 or PKCS #12 (PROD-TLS-KEY).' },
    tls_key_src: {
      type: 'string',
      controllerPath: 'files',
      description: 'The PKCS #12 file on the controller that `tls_key` is a copy of: `tls_key_pass` has to open it.',
    },
    tls_key_pass: { type: 'string', secret: true, description: 'The password of that key (PROD-TLS-KEY-PASS).' },
    load_balance: { type: 'boolean', description: 'Whether a Guardian manages a cluster (FX-LOAD-BALANCE).' },
    log_file: { type: 'string', description: 'Where the library logs (LOG-FILE).' },
    key_label: {
      type: 'string',
      description: 'The label of Vault’s key: gets ENCRYPT | DECRYPT (FORCED-LABEL-USAGE).',
    },
    hmac_key_label: {
      type: 'string',
      description: 'The label of Vault’s HMAC key: gets SIGN | VERIFY (FORCED-LABEL-USAGE).',
    },
    tags: {
      type: 'object',
      additionalProperties: { type: 'object', additionalProperties: {} },
      description: 'Any other tag by section, a value or a list of them; `true` is YES, an empty list removes it.',
      examples: [{ HSM: { 'CONNECTION-TIMEOUT': '5' } }],
    },
    owner: ownershipParams.owner,
    group: ownershipParams.group,
    mode: {
      ...ownershipParams.mode,
      description: 'Without it `0600` for a file that holds a password; otherwise as it is, `0644` for a new one.',
    },
    backup: { type: 'boolean', default: false, description: 'Keeps a copy of what is replaced.' },
  },
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'fxpkcs11_cfg',
  summary: 'Edits the configuration of the Futurex PKCS #11 library in place; comments, order and other tags stay.',
  touches: 'paths',
  params,
  examples: `- fxpkcs11_cfg:
    address: 10.221.0.10
    crypto_operator: vault
    prod_port: 9100
    tls_anonymous: false
    tls_key: /etc/vault.d/PKI.p12
    tls_key_pass: "<%= p12_password %>"
    key_label: hsm_demo
    hmac_key_label: hsm_hmac_demo`,
})({
  reads: (p) => ({ at: entry(p.path), now: content(p.path), key: localFile(p.tls_key_src ?? '') }),
  plan: (p, { at, now, key }, { facts, secret }) => {
    if (key && !mayBeP12(key.bytes)) return fail(`${p.tls_key_src} is no PKCS #12 file`)
    if (key && p.tls_key_pass !== undefined && hasOtherPassword(key.bytes, p.tls_key_pass))
      return fail(`the password of ${p.tls_key_src} is wrong`, { hint: 'correct `tls_key_pass`' })
    if (now.denied) return fail(`${p.path} may not be read by ${facts.user}`, { hint: '`become: true`' })
    const before = parseTagged(now.bytes?.toString('latin1') ?? '')
    const edited = edit(p, before, secret)
    if ('failed' in edited) return edited
    const wrong = crossCheck(p, edited)
    if (wrong) return wrong
    const bytes = Buffer.from(printTagged(edited), 'latin1')
    // a password that comes into an open file closes it
    const closes = holdsPassword(edited) && (at.stat === undefined || (followed(at).stat!.mode & 0o077) !== 0)
    const mode = p.mode ?? (closes ? '0600' : at.stat ? undefined : '0644')
    const steps = placeFile({
      at,
      now,
      bytes,
      want: { owner: p.owner, group: p.group, mode },
      umask: facts.umask,
      follow: true,
      backup: p.backup,
      secret: shown,
    })
    return 'failed' in steps ? steps : { steps, result: { path: p.path }, warnings: doubts(p, edited) }
  },
})

const isPassword = (tag: string) => /PASS|PIN$|SECRET/i.test(tag)
const holdsPassword = (file: Tagged) =>
  file.lines.some((l) => l.tag !== undefined && l.value !== '' && isPassword(l.tag))

/** Of a line that holds a password nothing is left behind its tag, whoever wrote it; undefined where the password may stand
 * in the next line. */
function shown(content: Buffer): Buffer | undefined {
  let goesOn = false
  const lines = content
    .toString('latin1')
    .split('\n')
    .map((line) => {
      const tag = [...line.matchAll(/<(?!\/)([^>]*)>/g)].find(([, name]) => isPassword(name!))
      if (!tag) return line
      const end = tag.index + tag[0].length
      goesOn ||= !line.slice(end).includes('</')
      return `${line.slice(0, end)} ********`
    })
  return goesOn ? undefined : Buffer.from(lines.join('\n'), 'latin1')
}

const yesNo = (value: boolean | undefined) => (value === undefined ? undefined : value ? 'YES' : 'NO')

/** The file is bytes, read as latin1: so is what comes into it. */
const encoded = (text: string) => Buffer.from(text).toString('latin1')

/** The tags that the parameters are about; undefined leaves what is there. */
function wanted(p: P): [section: string, tag: string, values: readonly string[] | undefined][] {
  const one = (value: string | number | undefined) => (value === undefined ? undefined : [text(value)])
  return [
    ['HSM', 'ADDRESS', one(p.address)],
    ['HSM', 'FX-LOAD-BALANCE', one(yesNo(p.load_balance))],
    ['HSM', 'LOG-FILE', one(p.log_file)],
    ['HSM', 'CRYPTO-OPR', one(p.crypto_operator)],
    ['HSM', 'PROD-ENABLED', p.prod_port === undefined ? undefined : ['YES']],
    ['HSM', 'PROD-PORT', one(p.prod_port)],
    ['HSM', 'PROD-TLS-ANONYMOUS', one(yesNo(p.tls_anonymous))],
    ['HSM', 'PROD-TLS-CA', p.tls_ca?.map(text)],
    ['HSM', 'PROD-TLS-CERT', one(p.tls_cert)],
    ['HSM', 'PROD-TLS-KEY', one(p.tls_key)],
    ['HSM', 'PROD-TLS-KEY-PASS', one(p.tls_key_pass)],
  ]
}

/** @throws RangeError for what the format cannot hold. */
function text(value: unknown): string {
  if (typeof value === 'boolean') return value ? 'YES' : 'NO'
  if (typeof value !== 'string' && typeof value !== 'number')
    throw new RangeError('the value of a tag has to be a text, a number, a boolean or a list of them')
  if (/^[ \t]|[ \t]$/.test(String(value)))
    throw new RangeError('a value cannot begin or end with a blank: nobody would read it')
  return encoded(String(value))
}

function edit(p: P, before: Tagged, secret: (value: string) => void) {
  try {
    let file = before
    const given = wanted(p).filter(([, , values]) => values !== undefined)
    for (const [section, tag, values] of given) file = setTag(file, section, tag, values!)
    file = usage(file, p.key_label, 'ENCRYPT | DECRYPT')
    file = usage(file, p.hmac_key_label, 'SIGN | VERIFY')
    for (const [section, tags] of Object.entries(p.tags ?? {}))
      for (const [tag, value] of Object.entries(tags)) {
        if (!/^[A-Za-z][\w-]*$/.test(section) || !/^[A-Za-z][\w-]*$/.test(tag))
          return fail(`\`${tag}\` of \`${section}\` is no tag`)
        if (given.some(([s, t]) => s === section && t === tag)) return fail(`${tag} is given twice, once in \`tags\``)
        const values = [value].flat()
        if (isPassword(tag)) for (const v of values) secret(String(v))
        file = setTag(file, section, tag, values.map(text))
      }
    return file
  } catch (e) {
    if (e instanceof RangeError) return fail(e.message)
    throw e
  }
}

/** Other labels keep their lines; this one's says exactly what it may be used for. */
function usage(file: Tagged, label: string | undefined, use: string): Tagged {
  if (label === undefined) return file
  if (/^\s*$|[=|]/.test(label)) throw new RangeError(`\`${label}\` is no label of a key: it may hold no = and no |`)
  const lines = tagValues(file, 'CONFIG', 'FORCED-LABEL-USAGE')
  const name = text(label)
  const at = lines.findIndex((l) => l.split('=')[0]!.replace(/[ \t]+$/, '') === name)
  const next =
    at === -1
      ? [...lines, `${name} = ${use}`]
      : lines.map((l, i) => (i !== at || sameUse(l, use) ? l : `${name} = ${use}`))
  return setTag(file, 'CONFIG', 'FORCED-LABEL-USAGE', next)
}

function sameUse(line: string, use: string): boolean {
  const flat = (text: string) => text.replace(/\s+/g, '')
  return flat(line.slice(line.indexOf('=') + 1)) === flat(use)
}

/** What the library would refuse, or take for something else. */
function crossCheck(p: P, file: Tagged) {
  const value = (tag: string) => tagValues(file, 'HSM', tag)[0] ?? ''
  const anonymous = value('PROD-TLS-ANONYMOUS')
  if (anonymous === 'NO' && !value('PROD-TLS-KEY'))
    return fail('mutual TLS needs a key', { hint: 'give `tls_key`, or `tls_anonymous: true` for TLS without one' })
  if (anonymous === 'YES' && (p.tls_key !== undefined || p.tls_cert !== undefined))
    return fail('anonymous TLS and a certificate of the client exclude each other', {
      hint: 'drop `tls_key` and `tls_cert`, or say `tls_anonymous: false`',
    })
  if (p.tls_key_pass !== undefined && !value('PROD-TLS-KEY'))
    return fail('`tls_key_pass` is the password of a key, and there is none', { hint: 'give `tls_key`' })
  const pkcs12 = /\.(p12|pfx)$/i.test(value('PROD-TLS-KEY'))
  if (anonymous === 'NO' && !pkcs12 && !value('PROD-TLS-CERT'))
    return fail('a key that is no PKCS #12 file needs its certificate', { hint: 'give `tls_cert`' })
  if (anonymous === 'NO' && !pkcs12 && !value('PROD-TLS-CA'))
    return fail('a key that is no PKCS #12 file needs the certificates of the CA', { hint: 'give `tls_ca`' })
  if (p.key_label !== undefined && p.key_label === p.hmac_key_label)
    return fail('`key_label` and `hmac_key_label` are the same key')
  return undefined
}

/** What is allowed, and hardly meant. */
function doubts(p: P, file: Tagged): string[] {
  const found: string[] = []
  if (p.tls_anonymous === true && tagValues(file, 'HSM', 'PROD-TLS-KEY').length > 0)
    found.push('PROD-TLS-KEY is still in the file: anonymous TLS does not use it')
  if (p.mode !== undefined && holdsPassword(file) && (parseMode(p.mode, 0, false) & 0o007) !== 0)
    found.push(`the file holds a password, and with mode ${p.mode} everybody may read it`)
  return found
}
