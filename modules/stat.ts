import { capabilities, defineModule, type Entry, entry, followed, modeText, nameOf, sum } from '../src/module.ts'

export default defineModule({
  name: 'stat',
  summary: 'Tells what is at a path.',
  harmless: true,
  params: {
    type: 'object',
    properties: {
      path: { type: 'string', hostPath: true, aliases: ['dest', 'name'], description: 'The path.' },
      follow: { type: 'boolean', default: false, description: 'Tells of what a link leads to.' },
      get_checksum: { type: 'boolean', default: true, description: 'With the hash of a file.' },
      checksum_algorithm: { type: 'string', enum: ['sha256'], default: 'sha256', description: 'Which hash.' },
      get_capabilities: { type: 'boolean', default: false, description: 'With the file capabilities.' },
    },
    required: ['path'],
  },
  examples:
    '- stat: { path: /usr/local/bin/vault }\n  register: vault\n- debug: { msg: there }\n  when: vault.stat.exists',
  differences: ['The hash is SHA-256 (`stat.checksum`).'],
})({
  reads: (p) => ({
    at: entry(p.path),
    hash: p.get_checksum ? sum(p.path) : undefined,
    caps: p.get_capabilities ? capabilities(p.path) : undefined,
  }),
  plan: (p, { at, hash, caps }) => ({
    steps: [],
    result: {
      stat: {
        ...shown(at, p.follow),
        ...(hash?.sha256 ? { checksum: hash.sha256 } : {}),
        ...(caps === undefined ? {} : { capabilities: caps }),
      },
    },
  }),
})

function shown(at: Entry, follow: boolean): Record<string, unknown> {
  const { stat } = follow ? followed(at) : at
  if (!stat) return { exists: false }
  const bit = (mask: number) => (stat.mode & mask) !== 0
  return {
    exists: true,
    path: at.path,
    mode: modeText(stat.mode),
    isreg: stat.type === 'file',
    isdir: stat.type === 'directory',
    islnk: stat.type === 'link',
    isfifo: stat.type === 'fifo',
    issock: stat.type === 'socket',
    uid: stat.uid,
    gid: stat.gid,
    pw_name: stat.owner,
    gr_name: stat.group,
    size: stat.size,
    mtime: stat.mtime,
    nlink: stat.links,
    executable: bit(0o111),
    xusr: bit(0o100),
    rusr: bit(0o400),
    wusr: bit(0o200),
    isuid: bit(0o4000),
    isgid: bit(0o2000),
    ...(stat.type === 'link' ? { lnk_target: stat.target, lnk_source: followed(at).real } : {}),
    basename: nameOf(at.path),
  }
}
