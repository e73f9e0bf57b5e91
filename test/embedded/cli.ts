// Embedded hosts for people and for the demo: `node scripts/run.mjs test/embedded/cli.ts [N]` prints their directory; they
// end with a signal, and with their standard input, so that they never outlive who started them.
import { startHosts } from './hosts.ts'

const { dir, stop } = await startHosts(Number(process.argv[2] ?? 3))
console.log(dir)
const end = () => void stop().finally(() => process.exit(0))
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(signal, end)
process.stdin.on('end', end).on('error', end).resume()
