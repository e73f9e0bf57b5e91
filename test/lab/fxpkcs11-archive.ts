import { spawnSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { base } from './base.ts'

/** Packs an archive in the layout of the vendor's guide. It is a stand-in: the library in it is SoftHSM2's, out of the lab's
 * base, so that a PKCS #11 program finds something that works; the tools only say what they are.
 * @param instead another library. */
export function packFxpkcs11(file: string, instead?: string): void {
  const dir = mkdtempSync(join(tmpdir(), 'fxpkcs11-'))
  try {
    const library = instead ?? realpathSync(join(base, 'usr/lib/softhsm/libsofthsm2.so'))
    writeDir(join(dir, 'fxpkcs11'), () => writeFileSync(join(dir, 'fxpkcs11/fxpkcs11.cfg'), cfg))
    for (const architecture of ['x64', 'x86'])
      for (const openssl of ['OpenSSL-1.0.x', 'OpenSSL-1.1.x']) {
        const at = join(dir, 'fxpkcs11', architecture, openssl)
        writeDir(at, () => {
          if (architecture === 'x64') copyFileSync(library, join(at, 'libfxpkcs11.so'))
          else writeFileSync(join(at, 'libfxpkcs11.so'), 'a stand-in: of SoftHSM2 the lab has no build of 32 bits\n')
          for (const tool of ['configTest', 'PKCS11Manager'])
            writeFileSync(join(at, tool), `#!/bin/sh\necho "${tool}: a stand-in of the lab, which tests nothing"\n`, {
              mode: 0o755,
            })
        })
      }
    const packed = spawnSync('tar', ['-czf', file, '--owner=0', '--group=0', '--numeric-owner', '-C', dir, 'fxpkcs11'])
    if (packed.status !== 0) throw new Error(`tar: ${packed.stderr}`)
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

function writeDir(path: string, fill: () => void): void {
  mkdirSync(path, { recursive: true })
  fill()
}

const cfg = `# fxpkcs11.cfg: as the archive of the lab brings it (a stand-in for the vendor's)
<HSM>
    # where the HSM is
    <ADDRESS>            10.0.0.1                </ADDRESS>
    <PROD-ENABLED>       YES                     </PROD-ENABLED>
    <PROD-PORT>          9100                    </PROD-PORT>
    <PROD-TLS-ANONYMOUS> YES                     </PROD-TLS-ANONYMOUS>
    <LOG-FILE>           /tmp/fxpkcs11.log       </LOG-FILE>
    <CRYPTO-OPR>         crypto1                 </CRYPTO-OPR>
    <FX-LOAD-BALANCE>    NO                      </FX-LOAD-BALANCE>
</HSM>
<CONFIG>
    <LOG-MODE>           INFO                    </LOG-MODE>
</CONFIG>
`
