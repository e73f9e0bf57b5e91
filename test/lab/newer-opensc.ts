import { cpSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { onHost, rootOf } from './hsm.ts'
import type { Lab } from './lab.ts'
import { makeOnce } from './make-once.ts'

// The hosts are of Debian 12, whose pkcs11-tool is of OpenSC 0.23: this is the one of Debian 13, 0.26, with what it needs.

const fetched = `site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | head -n 1)
mkdir -p "$new/lists/partial" "$new/cache/archives/partial" "$new/root" "$new/tool"
echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $site $1 main" >"$new/sources.list"
apt() { apt-get -q -y -o Dir::State::Lists="$new/lists" -o Dir::State::status=/dev/null -o Dir::Cache="$new/cache" -o Dir::Etc::sourcelist="$new/sources.list" -o Dir::Etc::sourceparts=/dev/null -o APT::Sandbox::User=root -o Debug::NoLocking=true "$@"; }
apt update
apt --no-install-recommends --download-only install opensc
for f in "$new"/cache/archives/*.deb; do dpkg-deb -x "$f" "$new/root"; done
lib=$new/root/usr/lib/x86_64-linux-gnu
loader=$lib/ld-linux-x86-64.so.2
"$loader" --library-path "$lib" --list "$new/root/usr/bin/pkcs11-tool" | sed -n 's/.* => \\([^ ]*\\) (.*/\\1/p' >"$new/list"
cp $(cat "$new/list") "$loader" "$new/root/usr/bin/pkcs11-tool" "$new/tool"
rm -rf "$new/lists" "$new/cache" "$new/root" "$new/sources.list" "$new/list"`

const made = () => makeOnce('opensc-trixie', fetched, 'trixie')

/** Why it can't be had here; undefined where it can. */
export function whyNoNewerOpensc(): string | undefined {
  if (process.arch !== 'x64') return 'the newer pkcs11-tool is for x64'
  try {
    made()
    return undefined
  } catch (e) {
    if (process.env.LAB_MUST_RUN) throw e
    return (e as Error).message.trim().split('\n').slice(-2).join(' ')
  }
}

/** Gives a host the newer one in place of its own. */
export function placeNewerOpensc(lab: Lab, host: string): void {
  const [tool, at] = ['/usr/bin/pkcs11-tool', '/opt/opensc-newer']
  cpSync(join(made(), 'tool'), join(rootOf(lab, host), at), { recursive: true })
  onHost(lab, host, `rm ${tool}`)
  const run = `exec ${at}/ld-linux-x86-64.so.2 --library-path ${at} ${at}/pkcs11-tool "$@"`
  writeFileSync(join(rootOf(lab, host), tool), `#!/bin/sh\n${run}\n`, { mode: 0o755 })
}
