/** What a secret may look like where it is let out: as it is, in JSON, in quotes of a shell, in base64 wherever it begins in what
 * is encoded, in an address, in a form. */
export function secretForms(secret: string): readonly string[] {
  const known = formsOf.get(secret)
  if (known) return known
  const inAddress = encodeURIComponent(secret)
  const strict = inAddress.replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`)
  const all = [
    secret,
    JSON.stringify(secret).slice(1, -1),
    secret.replaceAll("'", `'\\''`),
    secret.replace(/["\\$`]/g, '\\$&'),
    ...[inAddress, strict].flatMap((s) => [s, s.replace(/%../g, (c) => c.toLowerCase()), s.replaceAll('%20', '+')]),
    ...[0, 1, 2].flatMap((before) => {
      const bytes = Buffer.concat([Buffer.alloc(before), Buffer.from(secret)])
      // what does not depend on its neighbours
      const own = bytes.toString('base64').slice(Math.ceil((before * 8) / 6), Math.floor((bytes.length * 8) / 6))
      return [own, own.replaceAll('+', '-').replaceAll('/', '_')]
    }),
  ]
  const forms = [...new Set(all)]
  formsOf.set(secret, forms)
  return forms
}

const formsOf = new Map<string, readonly string[]>()

/** Which secrets a text holds, by their names, and the text around. */
export function secretsIn(text: string, secrets: Readonly<Record<string, string>>): string[] {
  return Object.entries(secrets).flatMap(([name, secret]) =>
    secretForms(secret).flatMap((form) => {
      const at = text.indexOf(form)
      return at === -1 ? [] : [`${name} (${form}) in: ${text.slice(Math.max(0, at - 150), at + form.length + 80)}`]
    }),
  )
}
