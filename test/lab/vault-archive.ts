import { writeFileSync } from 'node:fs'
import { deflateRawSync } from 'node:zlib'

/** Packs a zip with one program, as Vault's own has. It is a stand-in for Vault: it wants what Vault wants (its configuration,
 * the PIN, a directory that it may write), answers on its listener as one that is not initialized, and seals nothing. */
export function packVault(file: string): void {
  writeFileSync(file, zipOf('vault', Buffer.from(program), 0o755))
}

const program = `#!/usr/bin/python3
"""A stand-in of the lab for Vault: it keeps nothing and seals nothing."""
import http.server, os, re, signal, sys

if sys.argv[1:2] in (["--version"], ["version"]):
    print("Vault v0.0.0 (a stand-in of the lab)")
    sys.exit(0)
if sys.argv[1:2] != ["server"]:
    sys.exit("a stand-in of the lab for Vault: it knows only server and version")
config = next((a.split("=", 1)[1] for a in sys.argv[2:] if a.startswith("-config=")), "/etc/vault.d/vault.hcl")
text = open(config).read()
value = lambda name: re.search(r'%s\\s*=\\s*"([^"]*)"' % name, text).group(1)
if not os.environ.get("VAULT_HSM_PIN"):
    sys.exit("Error parsing Seal configuration: no PIN: VAULT_HSM_PIN is not set")
if not os.path.isfile(value("lib")):
    sys.exit("Error parsing Seal configuration: there is no " + value("lib"))
open(os.environ.get("FXPKCS11_CFG", "/etc/fxpkcs11.cfg")).close()
storage = value("path")
open(os.path.join(storage, "started"), "w").write("by a stand-in\\n")

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(501)
        self.end_headers()
        self.wfile.write(b'{"initialized":false,"sealed":true,"version":"a stand-in of the lab"}\\n')
    def log_message(self, *_):
        pass

def end(*_):
    print("==> Vault shutdown triggered", flush=True)
    os._exit(0)

signal.signal(signal.SIGINT, end)
signal.signal(signal.SIGTERM, end)
signal.signal(signal.SIGHUP, lambda *_: print("==> Vault reload triggered", flush=True))
host, port = value("address").rsplit(":", 1)
server = http.server.HTTPServer((host, int(port)), Answer)
print("==> Vault server started (a stand-in of the lab), storage: " + storage, flush=True)
server.serve_forever()
`

/** A zip archive with one file in it. */
function zipOf(name: string, content: Buffer, mode: number): Buffer {
  const packed = deflateRawSync(content)
  const sizes = [crc32(content), packed.length, content.length]
  const title = Buffer.from(name)
  // 2020-01-01, so that the same file gives the same archive
  const common = [...u16(20, 0, 8, 0, 0x5021), ...u32(...sizes), ...u16(title.length, 0)]
  const local = Buffer.from([...u32(0x04034b50), ...common])
  const head = [...u32(0x02014b50), ...u16(0x0314), ...common, ...u16(0, 0, 0), ...u32((0o100000 | mode) * 65536, 0)]
  const body = Buffer.concat([local, title, packed])
  const directory = Buffer.concat([Buffer.from(head), title])
  const end = [...u32(0x06054b50), ...u16(0, 0, 1, 1), ...u32(directory.length, body.length), ...u16(0)]
  return Buffer.concat([body, directory, Buffer.from(end)])
}

const u16 = (...values: number[]) => values.flatMap((v) => [v & 255, (v >>> 8) & 255])
const u32 = (...values: number[]) => values.flatMap((v) => u16(v % 65536, Math.floor(v / 65536)))

/** node:zlib has it only from Node 22 on. */
function crc32(bytes: Buffer): number {
  let crc = ~0
  for (const byte of bytes) {
    crc ^= byte
    for (let i = 0; i < 8; i++) crc = (crc >>> 1) ^ (crc & 1 ? 0xedb88320 : 0)
  }
  return ~crc >>> 0
}
