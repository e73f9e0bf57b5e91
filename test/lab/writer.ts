// A client of a cluster that writes all the time, as a test's stand-in for everybody who uses it.

export interface Written {
  /** What was acknowledged: names of entries, each with its own name as its value. */
  readonly acknowledged: readonly string[]
  /** The longest time between two acknowledged writes, in seconds. */
  readonly longestGap: number
  /** The most servers that were away (no answer, or sealed) at one moment. */
  readonly mostAway: number
}

/** Writes one entry after the other, each through whichever server takes it.
 * @param urls the servers. @param path of a kv engine, version 1.
 * @returns what ends it. */
export function startWriting(urls: readonly string[], path: string, token: string): () => Promise<Written> {
  const acknowledged: string[] = []
  let [last, longest, mostAway, over, next] = [Date.now(), 0, 0, false, 0]
  const seen = () => {
    longest = Math.max(longest, Date.now() - last)
    last = Date.now()
  }
  const write = async (url: string, name: string): Promise<boolean> => {
    const headers = { 'x-vault-token': token }
    const init = { method: 'PUT', headers, body: JSON.stringify({ word: name }), signal: AbortSignal.timeout(1000) }
    return fetch(`${url}/v1/${path}/${name}`, init).then(
      (said) => said.ok,
      () => false,
    )
  }
  const writing = (async () => {
    for (let n = 0; !over; ) {
      if (await write(urls[next % urls.length]!, `w${n}`)) {
        acknowledged.push(`w${n++}`)
        seen()
      } else {
        next++
        await new Promise((r) => setTimeout(r, 20))
      }
    }
    seen()
  })()
  const isAway = (url: string) =>
    fetch(`${url}/v1/sys/health?standbyok=true`, { signal: AbortSignal.timeout(5000) }).then(
      (said) => said.status === 503,
      () => true,
    )
  const watching = (async () => {
    for (; !over; await new Promise((r) => setTimeout(r, 100))) {
      const away = await Promise.all(urls.map(isAway))
      mostAway = Math.max(mostAway, away.filter(Boolean).length)
    }
  })()
  return async () => {
    over = true
    await Promise.all([writing, watching])
    return { acknowledged, longestGap: longest / 1000, mostAway }
  }
}

/** Those of the entries that are not there, or not as they were written. A standby may answer by itself, and know what was
 * written last a moment later. */
export async function lost(url: string, path: string, token: string, names: readonly string[]): Promise<string[]> {
  const isThere = async (name: string) => {
    const said = await fetch(`${url}/v1/${path}/${name}`, { headers: { 'x-vault-token': token } })
    return ((await said.json()) as { data?: { word?: string } }).data?.word === name
  }
  const missingOf = async (all: readonly string[]) => {
    const [missing, left]: [string[], string[]] = [[], [...all]]
    const look = async () => {
      for (let name = left.shift(); name !== undefined; name = left.shift())
        if (!(await isThere(name))) missing.push(name)
    }
    await Promise.all(Array.from({ length: 8 }, look))
    return missing
  }
  let missing = await missingOf(names)
  for (let tries = 0; missing.length > 0 && tries < 30; tries++) {
    await new Promise((r) => setTimeout(r, 1000))
    missing = await missingOf(missing)
  }
  return missing
}
