import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { median, timed } from './timed.ts'

const main = join(process.cwd(), 'dist/main.js')

/** Milliseconds. */
export interface Startup {
  readonly node: number
  readonly help: number
  /** A playbook of 50 tasks on 50 hosts, up to where the first connection would be opened. */
  readonly validate: number
  /** An inventory of 5,000 hosts in 100 groups, each with a file of variables. */
  readonly hosts: number
}

/** Takes turns, so that what else the machine does hits all alike. */
export async function measureStartup(dir: string, rounds: number): Promise<Startup> {
  return inTurns(dir, rounds, median, async (args) => (await must([process.execPath, ...args])).ms)
}

const tell =
  "process.on('exit', () => { const c = process.cpuUsage(); process.stderr.write('\\n' + (c.user + c.system)) })"

/** The same as time of a processor: it tells more where the machine has other things to do. */
export async function measureStartupCpu(dir: string, rounds: number): Promise<Startup> {
  const hook = ['--import', `data:text/javascript,${encodeURIComponent(tell)}`]
  const least = (all: readonly number[]) => Math.min(...all)
  return inTurns(dir, rounds, least, async (args) => {
    const { stderr } = await must([process.execPath, ...hook, ...args])
    return Number(stderr.split('\n').at(-1)) / 1000
  })
}

async function must(argv: readonly string[]) {
  const done = await timed(argv)
  if (done.status !== 0) throw new Error(`${argv.join(' ')}: ${done.stderr}${done.stdout}`)
  return done
}

async function inTurns(
  dir: string,
  rounds: number,
  over: (all: readonly number[]) => number,
  run: (args: readonly string[]) => Promise<number>,
): Promise<Startup> {
  writeFiftyTasks(join(dir, 'fifty'))
  writeThousands(join(dir, 'thousands'))
  const all: Record<keyof Startup, number[]> = { node: [], help: [], validate: [], hosts: [] }
  for (let i = 0; i <= rounds; i++) {
    const round = {
      node: await run(['-e', '0']),
      help: await run([main, '--help']),
      validate: await run([main, 'validate', join(dir, 'fifty/site.yml'), '-i', join(dir, 'fifty/hosts.yml')]),
      hosts: await run([main, 'hosts', '-i', join(dir, 'thousands/hosts.yml')]),
    }
    // the first only warms what the machine keeps
    if (i > 0) for (const name of Object.keys(all) as (keyof Startup)[]) all[name].push(round[name])
  }
  return { node: over(all.node), help: over(all.help), validate: over(all.validate), hosts: over(all.hosts) }
}

function writeFiftyTasks(dir: string): void {
  mkdirSync(dir, { recursive: true })
  const kinds = [
    (i: number) => `copy: { content: "line <%= port + ${i} %>", dest: /etc/app/file-${i}, mode: '0644' }`,
    (i: number) => `file: { path: /srv/<%= name %>/${i}, state: directory, owner: root, mode: '0755' }`,
    (i: number) => `lineinfile: { path: /etc/app/lines, regexp: '^${i}=', line: '${i}=<%= name %>', create: true }`,
    (i: number) => `user: { name: user${i}, groups: [adm], append: true }`,
    (i: number) => `command: { cmd: /usr/bin/true ${i}, creates: /srv/made-${i} }`,
  ]
  const tasks = Array.from({ length: 50 }, (_, i) => {
    const when = i % 3 === 0 ? `\n      when: facts.os_family == 'Debian' && port > ${i}` : ''
    return `    - name: task ${i}\n      ${kinds[i % kinds.length]!(i)}${when}`
  })
  writeFileSync(join(dir, 'site.yml'), `- hosts: all\n  vars: { name: app }\n  tasks:\n${tasks.join('\n')}\n`)
  const hosts = Array.from({ length: 50 }, (_, i) => `    h${i + 1}: { ansible_host: 10.0.0.${i + 1} }`)
  writeFileSync(join(dir, 'hosts.yml'), `all:\n  vars: { port: 8000 }\n  hosts:\n${hosts.join('\n')}\n`)
}

function writeThousands(dir: string): void {
  mkdirSync(join(dir, 'group_vars'), { recursive: true })
  const groups = Array.from({ length: 100 }, (_, g) => {
    const hosts = Array.from(
      { length: 50 },
      (_, i) => `        h${g * 50 + i}: { ansible_host: 10.${g}.0.${i}, rack: r${i} }`,
    )
    writeFileSync(
      join(dir, `group_vars/g${g}.yml`),
      `zone: z${g}\nports: [80, 443]\nlimits: { files: ${g}, memory: 2G }\n`,
    )
    return `    g${g}:\n      hosts:\n${hosts.join('\n')}`
  })
  writeFileSync(join(dir, 'hosts.yml'), `all:\n  children:\n${groups.join('\n')}\n`)
}
