import {
  capabilities,
  checksum,
  checksumAlgorithms,
  defineModule,
  type Entry,
  entry,
  fail,
  followed,
  modeText,
  output,
  type Stat,
} from '../src/module.ts'

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
      checksum_algorithm: {
        type: 'string',
        enum: checksumAlgorithms,
        default: 'sha1',
        aliases: ['checksum', 'checksum_algo'],
        description: 'Which hash.',
      },
      get_mime: {
        type: 'boolean',
        default: true,
        aliases: ['mime', 'mime_type', 'mime-type'],
        description: 'Taken for compatibility; types of content are not told.',
      },
      get_attributes: {
        type: 'boolean',
        default: true,
        aliases: ['attr', 'attributes'],
        description: 'Taken for compatibility; attributes of chattr are not told.',
      },
      get_capabilities: { type: 'boolean', default: false, description: 'With the file capabilities.' },
    },
    required: ['path'],
  },
  examples:
    '- stat: { path: /usr/local/bin/vault }\n  register: vault\n- debug: { msg: there }\n  when: vault.stat.exists',
  differences: [
    '`stat` has no atime, ctime, blocks, mimetype, charset, attributes, attr_flags and version.',
    '`get_capabilities` gives `stat.capabilities`.',
  ],
})({
  reads: (p) => ({
    at: entry(p.path),
    hash: p.get_checksum ? checksum(p.path, p.checksum_algorithm) : undefined,
    caps: p.get_capabilities ? capabilities(p.path) : undefined,
    // root may do all that the modes say; of others only the host can tell, for their groups
    access: output(['sh', '-c', access, 'sh', p.path], {}, [p.path]),
  }),
  plan: (p, a, { facts }) => {
    if (a.at.obstacle === 'denied')
      return fail(`${a.at.anchor} may not be entered on the way to ${p.path}`, { hint: '`become: true`' })
    const { stat } = p.follow ? followed(a.at) : a.at
    if (!stat) return { steps: [], result: { stat: { exists: false } } }
    const final = followed(a.at).stat
    const can = facts.uid === 0 ? byRoot(final) : said(a.access.stdout.toString())
    const hash = stat.type === 'file' && can.readable ? a.hash : undefined
    return {
      steps: [],
      result: {
        stat: {
          ...shown(a.at, stat),
          ...can,
          ...(hash === undefined ? {} : { checksum: hash }),
          ...(p.get_capabilities && a.caps !== undefined ? { capabilities: a.caps } : {}),
        },
      },
    }
  },
})

const access = 'for t in -r -w -x; do if test $t "$1"; then printf y; else printf n; fi; done'

function byRoot(final: Stat | undefined) {
  const executable = final !== undefined && (final.type === 'directory' || (final.mode & 0o111) !== 0)
  return { readable: final !== undefined, writeable: final !== undefined, executable }
}

function said(answers: string) {
  const [readable, writeable, executable] = [...answers].map((a) => a === 'y')
  return { readable, writeable, executable }
}

function shown(at: Entry, stat: Stat): Record<string, unknown> {
  const [dev, inode] = (stat.id ?? '').split(':').map(Number)
  const bits = Object.fromEntries(
    ['xoth', 'woth', 'roth', 'xgrp', 'wgrp', 'rgrp', 'xusr', 'wusr', 'rusr', '', 'isgid', 'isuid'].map((name, i) => [
      name,
      (stat.mode & (1 << i)) !== 0,
    ]),
  )
  const { '': _, ...named } = bits
  return {
    exists: true,
    path: at.path,
    mode: modeText(stat.mode),
    isreg: stat.type === 'file',
    isdir: stat.type === 'directory',
    islnk: stat.type === 'link',
    isfifo: stat.type === 'fifo',
    issock: stat.type === 'socket',
    isblk: stat.type === 'block',
    ischr: stat.type === 'character',
    ...named,
    uid: stat.uid,
    gid: stat.gid,
    pw_name: stat.owner,
    gr_name: stat.group,
    size: stat.size,
    mtime: stat.mtime,
    nlink: stat.links,
    ...(stat.id === undefined ? {} : { dev, inode }),
    ...(stat.type === 'link' ? { lnk_target: stat.target, lnk_source: followed(at).real } : {}),
  }
}
