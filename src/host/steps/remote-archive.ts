import { pathEffect } from '../effect.ts'
import type { Step } from '../step.ts'
import { type Place, temporaryDirectory } from './files.ts'

/** Unpacks an archive that lies on the host: into a directory beside the destination first, then file after file into
 * place, so that none is ever half there. */
export function unpackRemote(
  source: string,
  dest: Place,
  kind: 'tar' | 'zip',
  own: { readonly owner?: string | undefined; readonly group?: string | undefined; readonly mode?: string | undefined },
): Step {
  const summary = `unpack ${source} into ${dest.path}`
  return {
    summary,
    effects: [pathEffect(summary, dest.real, { to: 'unknown' })],
    script: (sh) => {
      const extract =
        kind === 'zip'
          ? `unzip -qo -- ${sh.word(source)} -d "$t"`
          : `tar -xpf ${sh.word(source)} --no-same-owner -C "$t"`
      const owner =
        own.owner === undefined && own.group === undefined
          ? ''
          : `chown -hR ${sh.word(`${own.owner ?? ''}${own.group === undefined ? '' : `:${own.group}`}`)} "$t" || exit 1\n`
      const mode = own.mode === undefined ? '' : `chmod -R ${sh.word(own.mode)} "$t" || exit 1\n`
      return `p=${sh.word(dest.path)}; ${temporaryDirectory}
${extract} || exit 1
${owner}${mode}sync -f "$t" 2>/dev/null || sync
cd "$t" || exit 1
find . -mindepth 1 -type d -exec sh -c 'for f; do test -d "$0/$f" || { mkdir "$0/$f" && chmod "$(stat -c %a "$f")" "$0/$f" && chown "$(stat -c %u:%g "$f")" "$0/$f"; } || exit 1; done' "$p" {} + || exit 1
find . ! -type d -exec sh -c 'for f; do mv -fT -- "$f" "$0/$f" || exit 1; done' "$p" {} +`
    },
  }
}
