import * as assert from 'uvu/assert'
import { onHost } from './hsm.ts'
import { failure, labels, lost, makes, oaep, probe, tokenMade, works } from './hsm-tasks.ts'
import type { Lab } from './lab.ts'
import { placeNewerOpensc, whyNoNewerOpensc } from './newer-opensc.ts'
import { labSuite } from './suite.ts'

/** OpenSC 0.26 has GCM, and encrypts with public keys. */
async function newerTool(lab: Lab): Promise<void> {
  works(lab, makes({ label: 'rsa', type: 'RSA:2048', id: '0b' }))
  placeNewerOpensc(lab, 'h1')
  onHost(lab, 'h1', 'mv /usr/bin/openssl /usr/bin/openssl.away')
  try {
    works(lab, makes({ label: 'by the newer' }))
    assert.is(labels(lab, 'by the newer'), 1)
    const keys = [
      { label: 'hsm_demo' },
      { label: 'hsm_hmac_demo', use: 'sign' },
      { label: 'by the newer' },
      oaep('sha1'),
    ]
    const said = works(lab, probe({ keys }))
    assert.match(
      said,
      /hsm_demo \(AES-GCM\), hsm_hmac_demo \(SHA256-HMAC\), by the newer \(AES-GCM\), rsa \(RSA-PKCS-OAEP\)/,
    )
    assert.match(failure(lab, probe({ keys: [oaep('sha256')] })), lost)
    assert.match(
      failure(lab, probe({ keys: [{ label: 'hsm_hmac_demo' }] })),
      /does not work by AES-GCM: .*another type/,
    )
  } finally {
    onHost(lab, 'h1', 'mv /usr/bin/openssl.away /usr/bin/openssl')
  }
}

labSuite(
  1,
  [
    ['the token of these tests is made', tokenMade],
    ['the pkcs11-tool of OpenSC 0.26 is used for what it has', newerTool],
  ],
  whyNoNewerOpensc,
)
