const units: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 }

/** Seconds of a duration as Vault writes it: a number of them, or `1h30m`; undefined for what is none. */
export function parseDuration(text: string | number): number | undefined {
  if (typeof text === 'number' || /^\d+$/.test(text)) return Number(text)
  if (!/^(\d+[smhd])+$/.test(text)) return undefined
  return [...text.matchAll(/(\d+)([smhd])/g)].reduce((sum, [, n, unit]) => sum + Number(n) * units[unit!]!, 0)
}
