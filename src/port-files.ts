import { type Failure, fail, type Known } from './contract.ts'
import { fromBytes } from './host/bytes.ts'
import { type Content, content } from './host/reads/content.ts'
import type { PortQuestion } from './host/reads/port.ts'
import { type LocalFile, type LocalRead, localFile } from './local-read.ts'
import type { PortWanted } from './port.ts'

// The port of an HSM and its TLS as parameters, and the files that those name.

const file = { type: 'string', controllerPath: 'files' } as const

export const portParams = {
  address: { type: 'string', description: 'Where the HSM is, as the host sees it: its port is tried first.' },
  port: { type: 'integer', minimum: 1, maximum: 65535, default: 9100, description: 'Its production port.' },
  tls: { type: 'boolean', default: true, description: 'The port speaks TLS: its certificates are looked at.' },
  tls_ca: {
    ...file,
    description: 'PEM of the certificates that sign the HSM’s; without it those in `tls_p12`, where there are any.',
  },
  tls_cert: { ...file, description: 'Our certificate, PEM.' },
  tls_key: { ...file, description: 'Its key, PEM.' },
  tls_p12: { ...file, description: 'Our certificate with its key, PKCS #12.' },
  tls_key_password: { type: 'string', secret: true, description: 'The password of `tls_key` or `tls_p12`.' },
  tls_server_name: { type: 'string', description: 'The name that the HSM’s certificate has to have.' },
  remote_src: { type: 'boolean', default: false, description: 'Takes the files of `tls_…` from the host.' },
} as const

/** Lists of those that exclude each other. */
export const portExclusive = [
  ['tls_p12', 'tls_cert'],
  ['tls_p12', 'tls_key'],
] as const

interface P {
  readonly address?: string | undefined
  readonly port: number
  readonly timeout: number
  readonly tls: boolean
  readonly tls_ca?: string | undefined
  readonly tls_cert?: string | undefined
  readonly tls_key?: string | undefined
  readonly tls_p12?: string | undefined
  readonly tls_key_password?: string | undefined
  readonly tls_server_name?: string | undefined
  readonly remote_src: boolean
}

const fileNames = ['tls_ca', 'tls_cert', 'tls_key', 'tls_p12'] as const

/** The host's file or the controller's. */
type FileRead = LocalRead<Content | LocalFile | undefined>

export function portFiles(p: P): Partial<Record<(typeof fileNames)[number], FileRead>> {
  if (p.address === undefined || !p.tls) return {}
  return Object.fromEntries(
    fileNames.flatMap((name) => {
      const path = p[name]
      return path === undefined ? [] : [[name, (p.remote_src ? content(path) : localFile(path)) as FileRead]]
    }),
  )
}

/** Why one of them is of no use. */
export function missingFile(p: P, answers: object): Failure | undefined {
  for (const name of fileNames) {
    const path = p[name]
    if (!(name in answers)) continue
    const found = (answers as Record<string, Content | LocalFile | undefined>)[name]
    if (found && 'denied' in found && found.denied) return fail(`${path} may not be read`, { hint: '`become: true`' })
    if (!found?.bytes)
      return fail(`there is no ${path} on the ${p.remote_src ? 'host' : 'controller'}`, {
        hint: p.remote_src ? 'a path of the host' : '`remote_src: true` takes it from the host',
      })
    if (name === 'tls_ca' && !isPem(found.bytes))
      return fail(`${path} holds no certificate in PEM`, {
        hint: 'export it as PEM; from DER: `openssl x509 -inform DER -in … -out …`',
      })
  }
  return undefined
}

/** What is none would be as if there were no CA. */
const isPem = (bytes: Buffer) => /^-----BEGIN (X509 |TRUSTED )?CERTIFICATE-----\r?$/m.test(fromBytes(bytes))

/** Undefined as long as its files are not known, or where they can't be used. */
export function portQuestion(p: P, files: ReturnType<typeof portFiles>, known: Known): PortQuestion | undefined {
  const { port, timeout } = p
  if (p.address === undefined) return undefined
  const host = addressOf(p.address)
  if (!p.tls) return { host, port, timeout }
  const found = fileNames.map((name) => (files[name] ? known(files[name])?.bytes : undefined))
  if (fileNames.some((name, i) => files[name] && !found[i])) return undefined
  const [ca, cert, key, p12] = found
  if (ca && !isPem(ca)) return undefined
  const password = p.tls_key_password
  const own = p12
    ? { p12: p12.toString('base64'), password }
    : cert && key
      ? { cert: fromBytes(cert), key: fromBytes(key), password }
      : undefined
  return { host, port, timeout, tls: { ca: ca && fromBytes(ca), serverName: p.tls_server_name, own } }
}

export function portWanted(p: P): PortWanted | undefined {
  if (p.address === undefined) return undefined
  const own = p.tls_p12 !== undefined || p.tls_cert !== undefined
  const tls = { trust: p.tls_ca !== undefined, serverName: p.tls_server_name, own }
  return { host: addressOf(p.address), port: p.port, ...(p.tls ? { tls } : {}) }
}

/** `[::1]` is as good as `::1`. */
export const addressOf = (address: string) => address.replace(/^\[(.*)\]$/, '$1')
