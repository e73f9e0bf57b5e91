import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

const tool = `#!/bin/sh
case $1 in
  serve) exec sleep infinity ;;
  init) : >"$2" ;;
  status) echo ready ;;
esac
exit
`

const unit = `[Unit]
Description=What is measured
[Service]
ExecStart=/usr/local/bin/bench-tool serve
User=bench
[Install]
WantedBy=multi-user.target
`

/** Bytes that do not compress, the same every time. */
function noise(name: string, size: number): Buffer {
  const blocks = Array.from({ length: Math.ceil(size / 32) }, (_, i) =>
    createHash('sha256').update(`${name} ${i}`).digest(),
  )
  return Buffer.concat(blocks).subarray(0, size)
}

/** The files that the twenty tasks put on hosts. */
export function writeBenchFiles(dir: string): void {
  const share = join(dir, 'unpacked/share')
  mkdirSync(share, { recursive: true })
  for (let i = 0; i < 20; i++) writeFileSync(join(share, `file-${i}`), noise(`file ${i}`, 20_000))
  const packed = spawnSync('tar', ['-czf', join(dir, 'archive.tar.gz'), '-C', join(dir, 'unpacked'), 'share'])
  if (packed.status !== 0) throw new Error(`tar: ${packed.stderr}`)
  const files = {
    'bench-tool': Buffer.concat([Buffer.from(tool), noise('tool', 3_000_000)]),
    'bench.conf': 'listen = 127.0.0.1:4100\ndata = /var/lib/bench\nworkers = 4\n',
    'logging.conf': 'level = info\ntarget = stderr\n',
    'bench.service': unit,
    'list.txt': Array.from({ length: 500 }, (_, i) => `entry ${i} of a list\n`).join(''),
    motd: 'this host is measured\n',
    'limits.conf': 'bench soft nofile 65536\n',
    'profile.sh': 'export BENCH=/opt/bench\n',
  }
  for (const [name, bytes] of Object.entries(files)) writeFileSync(join(dir, name), bytes)
  chmodSync(join(dir, 'bench-tool'), 0o755)
}
