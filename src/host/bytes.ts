// What a host answers is bytes: a path may hold any but NUL. As text each byte that is no valid UTF-8 becomes a lone
// surrogate (U+DC80 … U+DCFF), so that text can be compared and shown, and gives the same bytes back.

const strict = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

export function fromBytes(bytes: Buffer): string {
  try {
    return strict.decode(bytes)
  } catch {
    return decodeByParts(bytes)
  }
}

function decodeByParts(bytes: Buffer): string {
  let text = ''
  for (let at = 0; at < bytes.length; ) {
    const lead = bytes[at]!
    const length = lead < 0x80 ? 1 : lead < 0xc2 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : lead < 0xf5 ? 4 : 0
    const part = decodeOne(bytes.subarray(at, at + length))
    text += part ?? String.fromCharCode(0xdc00 + lead)
    at += part === undefined ? 1 : length
  }
  return text
}

function decodeOne(bytes: Buffer): string | undefined {
  if (bytes.length === 0) return undefined
  try {
    return strict.decode(bytes)
  } catch {
    return undefined
  }
}

export function toBytes(text: string): Buffer {
  if (!/[\udc80-\udcff]/.test(text)) return Buffer.from(text)
  // a low surrogate with its high one before it is an ordinary character
  const parts = text.split(/((?<![\ud800-\udbff])[\udc80-\udcff])/)
  return Buffer.concat(
    parts.map((part, i) => (i % 2 === 1 ? Buffer.from([part.charCodeAt(0) - 0xdc00]) : Buffer.from(part))),
  )
}
