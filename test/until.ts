/** Looks until it holds: a busy machine takes its time.
 * @throws Error when it does not within a minute. */
export async function until(holds: () => boolean): Promise<void> {
  for (const began = performance.now(); !holds(); await new Promise((r) => setTimeout(r, 20)))
    if (performance.now() - began > 60_000) throw new Error(`it does not come to hold: ${holds}`)
}
