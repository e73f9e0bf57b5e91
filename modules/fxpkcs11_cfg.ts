import {
  content,
  defineModule,
  entry,
  fail,
  ownershipParams,
  type Params,
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
      description: 'The file; where there is none it is made.',
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
      description: 'Any other tag by section, a text or a list of texts; an empty list removes it.',
      examples: [{ HSM: { 'CONNECTION-TIMEOUT': '5' } }],
    },
    owner: ownershipParams.owner,
    group: ownershipParams.group,
    mode: { ...ownershipParams.mode, description: '`0600` for a new file with a password, otherwise `0644`.' },
    backup: { type: 'boolean', default: false, description: 'Keeps a copy of what is replaced.' },
  },
} as const

type P = Params<typeof params>

export default defineModule({
  name: 'fxpkcs11_cfg',
  summary: 'Edits the configuration of the Futurex PKCS #11 library in place; comments, order and other tags stay.',
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
  reads: (p) => ({ at: entry(p.path), now: content(p.path) }),
  plan: (p, { at, now }, { facts }) => {
    if (now.denied) return fail(`${p.path} may not be read by ${facts.user}`, { hint: '`become: true`' })
    const before = parseTagged(now.bytes?.toString('latin1') ?? '')
    const edited = edit(p, before)
    if ('failed' in edited) return edited
    const wrong = crossCheck(p, edited)
    if (wrong) return wrong
    const bytes = Buffer.from(printTagged(edited), 'latin1')
    const secret = tagValues(edited, 'HSM', 'PROD-TLS-KEY-PASS').some((v) => v !== '')
    const open = at.stat !== undefined && (at.stat.mode & 0o077) !== 0
    // a password that comes into an open file closes it
    const mode = p.mode ?? (secret && open ? '0600' : at.stat ? undefined : secret ? '0600' : '0644')
    const steps = placeFile({
      at,
      now,
      bytes,
      want: { ...p, mode },
      umask: facts.umask,
      follow: true,
      backup: p.backup,
      secret,
    })
    return 'failed' in steps ? steps : { steps, result: { path: p.path } }
  },
})

const yesNo = (value: boolean | undefined) => (value === undefined ? undefined : value ? 'YES' : 'NO')

/** The tags that the parameters are about; undefined leaves what is there. */
function wanted(p: P): [section: string, tag: string, values: readonly string[] | undefined][] {
  const one = (value: string | number | undefined) => (value === undefined ? undefined : [String(value)])
  return [
    ['HSM', 'ADDRESS', one(p.address)],
    ['HSM', 'FX-LOAD-BALANCE', one(yesNo(p.load_balance))],
    ['HSM', 'LOG-FILE', one(p.log_file)],
    ['HSM', 'CRYPTO-OPR', one(p.crypto_operator)],
    ['HSM', 'PROD-ENABLED', p.prod_port === undefined ? undefined : ['YES']],
    ['HSM', 'PROD-PORT', one(p.prod_port)],
    ['HSM', 'PROD-TLS-ANONYMOUS', one(yesNo(p.tls_anonymous))],
    ['HSM', 'PROD-TLS-CA', p.tls_ca],
    ['HSM', 'PROD-TLS-CERT', one(p.tls_cert)],
    ['HSM', 'PROD-TLS-KEY', one(p.tls_key)],
    ['HSM', 'PROD-TLS-KEY-PASS', one(p.tls_key_pass)],
  ]
}

function edit(p: P, before: Tagged) {
  try {
    let file = before
    for (const [section, tag, values] of wanted(p)) if (values) file = setTag(file, section, tag, values)
    file = usage(file, p.key_label, 'ENCRYPT | DECRYPT')
    file = usage(file, p.hmac_key_label, 'SIGN | VERIFY')
    for (const [section, tags] of Object.entries(p.tags ?? {}))
      for (const [tag, value] of Object.entries(tags)) {
        if (!/^[A-Za-z][\w-]*$/.test(section) || !/^[A-Za-z][\w-]*$/.test(tag))
          return fail(`\`${tag}\` of \`${section}\` is no tag`)
        file = setTag(file, section, tag, [value].flat().map(String))
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
  const lines = tagValues(file, 'CONFIG', 'FORCED-LABEL-USAGE')
  const at = lines.findIndex((l) => l.split('=')[0]!.trim() === label)
  const next =
    at === -1
      ? [...lines, `${label} = ${use}`]
      : lines.map((l, i) => (i !== at || sameUse(l, use) ? l : `${label} = ${use}`))
  return setTag(file, 'CONFIG', 'FORCED-LABEL-USAGE', next)
}

function sameUse(line: string, use: string): boolean {
  const flat = (text: string) => text.replace(/\s+/g, '')
  return flat(line.slice(line.indexOf('=') + 1)) === flat(use)
}

/** What the library would refuse, or take for something else. */
function crossCheck(p: P, file: Tagged) {
  const value = (tag: string) => tagValues(file, 'HSM', tag)[0]
  const anonymous = value('PROD-TLS-ANONYMOUS')
  if (anonymous === 'NO' && !value('PROD-TLS-KEY'))
    return fail('mutual TLS needs a key', { hint: 'give `tls_key`, or `tls_anonymous: true` for TLS without one' })
  if (p.tls_anonymous === true && (p.tls_key !== undefined || p.tls_cert !== undefined))
    return fail('anonymous TLS and a certificate of the client exclude each other', {
      hint: 'drop `tls_key` and `tls_cert`, or `tls_anonymous`',
    })
  const pkcs12 = /\.(p12|pfx)$/i.test(value('PROD-TLS-KEY') ?? '')
  if (anonymous === 'NO' && !pkcs12 && !value('PROD-TLS-CERT'))
    return fail('a key that is no PKCS #12 file needs its certificate', { hint: 'give `tls_cert`' })
  if (p.key_label !== undefined && p.key_label === p.hmac_key_label)
    return fail('`key_label` and `hmac_key_label` are the same key')
  return undefined
}
