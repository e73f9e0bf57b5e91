import { accessSync, constants, existsSync, readFileSync, statSync } from 'node:fs'
import { copyFile, type FileHandle, link, open, rename, rm, stat, writeFile } from 'node:fs/promises'
import { hostname, tmpdir, userInfo } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { AgeError, encryptTo } from './age.ts'

// A file on the controller for what exists once and is told once. STORE.intent says that somebody is about to fill it, and
// is there before anything is done that can't be done again; STORE.new has room for it, taken beforehand: a disk that is full
// is noticed while nothing is lost yet.

export interface StorePlace {
  /** Absolute. */
  readonly path: string
  /** Of age; none: it is not encrypted. */
  readonly recipients: readonly string[]
}

/** Who is about to fill a store. */
export interface Intent {
  /** What is about to be done. */
  readonly about: string
  readonly at: string
  readonly host: string
  readonly user: string
  readonly pid: number
  /** Tells processes of one number apart, where the system says when they were started. */
  readonly born: string | undefined
  /** It gave up: what came of it is not known, or lost. */
  readonly ended?: true
  /** Where the content is, which could not come to its place. */
  readonly elsewhere?: string
  /** Whether it still is about to. */
  readonly alive: boolean
}

/** Why a store can't be used, in one sentence. */
export class StoreError extends Error {
  readonly hint: string | undefined
  /** Where the content is instead. */
  readonly elsewhere: string | undefined
  constructor(message: string, hint?: string, elsewhere?: string) {
    super(message)
    this.hint = hint
    this.elsewhere = elsewhere
  }
}

/** A store that is about to be filled. */
export interface OpenStore {
  /** Keeps the content for good.
   * @throws StoreError that says where it is instead, or that it is nowhere. */
  readonly put: (content: Uint8Array) => Promise<void>
  /** Nothing happened: as if it had never been opened. */
  readonly abandon: () => Promise<void>
  /** What happened is not known, was lost, or is elsewhere: the intent stays, as far as it can be written. */
  readonly leave: (elsewhere?: string) => Promise<void>
}

const intentOf = (path: string) => `${path}.intent`
const newOf = (path: string) => `${path}.new`

/** Bytes that are taken beforehand. A file beside a store is as long as it or several times as long until all of the content is
 * in it, and never afterwards. */
const room = 256 * 1024

/** Takes a store: it is empty, can be written, and nobody else fills it.
 * @param about what is about to be done, in words.
 * @throws StoreError */
export async function openStore({ path, recipients }: StorePlace, about: string): Promise<OpenStore> {
  const seal = async (content: Uint8Array) => (recipients.length === 0 ? content : encryptTo(recipients, content))
  try {
    await seal(Buffer.from('a trial'))
  } catch (e) {
    if (e instanceof AgeError) throw new StoreError(e.message, e.hint)
    throw e
  }
  if (storedAt(path)) throw taken(path)
  await writeIntent(path, about)
  let file: FileHandle
  try {
    // somebody may have been quicker
    if (existsSync(path) || isComplete(newOf(path))) throw taken(path)
    await rm(newOf(path), { force: true })
    file = await open(newOf(path), 'wx', 0o600)
  } catch (e) {
    await rm(intentOf(path), { force: true })
    throw unwritable(path, e)
  }
  const close = async () => {
    await file.close().catch(() => {})
    await rm(newOf(path), { force: true })
  }
  const abandon = async () => {
    await close()
    await rm(intentOf(path), { force: true })
  }
  try {
    await writeAll(file, Buffer.alloc(room, 0xff))
    await file.sync()
    await syncDirectory(path)
  } catch (e) {
    await abandon()
    throw unwritable(path, e)
  }
  const leave = async (elsewhere?: string) => {
    try {
      await close()
      const { alive: _, ...intent } = intentAt(path)!
      const text = `${JSON.stringify({ ...intent, ended: true, elsewhere })}\n`
      await writeFile(`${intentOf(path)}.new`, text, { mode: 0o600 })
      await rename(`${intentOf(path)}.new`, intentOf(path))
    } catch {
      // what is about to be told matters more
    }
  }
  return { abandon, leave, put: async (content) => keep(path, file, Buffer.from(await seal(content))) }
}

const taken = (path: string) =>
  new StoreError(`${path} is there already`, 'what is in it may be needed: move it away, or name another `store`')

async function keep(path: string, file: FileHandle, content: Buffer): Promise<void> {
  // a line break more harms no text
  const whole = content.length % room === 0 ? Buffer.concat([content, Buffer.from('\n')]) : content
  try {
    await file.truncate(Math.ceil(whole.length / room) * room)
    await writeAll(file, whole)
    await file.truncate(whole.length)
    await file.sync()
    // who took this run for dead may have put his own room there
    const [own, there] = [await file.stat(), await stat(newOf(path))]
    if (own.ino !== there.ino || own.dev !== there.dev) throw new StoreError('another run took its room')
    await file.close()
    if (existsSync(path)) throw taken(path)
    await rename(newOf(path), path)
    await syncDirectory(path)
  } catch (e) {
    await keepElsewhere(path, content, e as Error)
  }
  await rm(intentOf(path), { force: true })
}

/** It must not be lost: another place is better than none. */
async function keepElsewhere(path: string, content: Buffer, why: Error): Promise<never> {
  const places = [`${path}.kept-${process.pid}`, join(tmpdir(), `${basename(path)}.kept-${process.pid}`)]
  for (const place of places)
    try {
      const file = await open(place, 'wx', 0o600)
      await writeAll(file, content)
      await file.sync()
      await file.close()
      throw new StoreError(
        `${path} could not be written (${reasonOf(why)}); what it was to hold is in ${place}`,
        `move it to ${path}`,
        place,
      )
    } catch (e) {
      if (e instanceof StoreError) throw e
    }
  throw new StoreError(
    `${path} could not be written (${reasonOf(why)}), nor anything else: what it was to hold is lost`,
  )
}

let intents = 0

/** It appears whole: half of one would not say that its run is dead.
 * @throws StoreError where somebody else is about to fill the store. */
async function writeIntent(path: string, about: string): Promise<void> {
  const own = { about, at: new Date().toISOString(), host: hostname(), user: userInfo().username, pid: process.pid }
  const beside = `${intentOf(path)}.${process.pid}-${++intents}`
  try {
    const text = `${JSON.stringify({ ...own, born: birthOf(process.pid) })}\n`
    await writeFile(beside, text, { mode: 0o600, flush: true })
    await takeIntent(path, beside)
  } catch (e) {
    throw unwritable(path, e)
  } finally {
    await rm(beside, { force: true }).catch(() => {})
  }
}

async function takeIntent(path: string, beside: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      return await appear(beside, intentOf(path))
    } catch (e) {
      if ((e as NodeJS.ErrnoException).code !== 'EEXIST' || tries > 3) throw e
      const other = intentAt(path)
      if (other?.alive)
        throw new StoreError(`another run is about to fill ${path}: ${whoIs(other)}`, 'wait for it to end')
      await rm(intentOf(path), { force: true })
    }
  }
}

/** Some file systems have no second names. */
async function appear(beside: string, at: string): Promise<void> {
  try {
    await link(beside, at)
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'EEXIST') throw e
    await copyFile(beside, at, constants.COPYFILE_EXCL)
  }
}

/** In words. */
export const whoIs = ({ user, host, pid, at }: Intent) => `process ${pid} of ${user} on ${host}, since ${at}`

/** What somebody who was about to fill a store left; undefined where nobody was. */
export function intentAt(path: string): Intent | undefined {
  let text: string
  try {
    text = readFileSync(intentOf(path), 'utf8')
  } catch {
    return undefined
  }
  const unknown = {
    about: 'not known',
    at: 'some time ago',
    host: hostname(),
    user: 'somebody',
    pid: 0,
    born: undefined,
  }
  try {
    const found = { ...unknown, ...(JSON.parse(text) as Partial<Intent>) } as Intent
    return { ...found, alive: isAlive(found) }
  } catch {
    // it is being written just now, or was interrupted then
    const written = statSync(intentOf(path), { throwIfNoEntry: false })?.mtimeMs ?? 0
    return { ...unknown, alive: Date.now() - written < 60_000 }
  }
}

/** Of another machine that shares the directory nobody here can tell: none takes longer than that. */
const longest = 15 * 60_000

function isAlive({ host, pid, born, at, ended }: Intent): boolean {
  if (ended) return false
  if (host !== hostname()) return Date.now() - Date.parse(at) < longest
  if (pid === 0) return false
  try {
    process.kill(pid, 0)
  } catch (e) {
    return (e as NodeJS.ErrnoException).code === 'EPERM'
  }
  return born === undefined || birthOf(pid) === born
}

/** When a process was started, as Linux counts; undefined elsewhere. */
function birthOf(pid: number): string | undefined {
  try {
    return readFileSync(`/proc/${pid}/stat`, 'latin1')
      .replace(/^.*\) /s, '')
      .split(' ')[19]
  } catch {
    return undefined
  }
}

/** Where the content of a store is; undefined where there is none. A run that ended between writing and renaming left it
 * beside. */
export function storedAt(path: string): { readonly file: string; readonly beside: boolean } | undefined {
  if (existsSync(path)) return { file: path, beside: false }
  return isComplete(newOf(path)) && !intentAt(path)?.alive ? { file: newOf(path), beside: true } : undefined
}

function isComplete(file: string): boolean {
  try {
    return statSync(file).size % room !== 0
  } catch {
    return false
  }
}

/** Ends what an interrupted run began: what it left beside comes to its place, and the intent of a store that is filled goes.
 * One that stayed would say that the content is lost, once somebody moves the store to a safer place. */
export async function settleStore(path: string): Promise<void> {
  const at = storedAt(path)
  if (!at || intentAt(path)?.alive) return
  if (at.beside) {
    await rename(newOf(path), path)
    await syncDirectory(path)
  }
  await rm(intentOf(path), { force: true })
}

async function writeAll(file: FileHandle, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length; ) at += (await file.write(bytes, at, bytes.length - at, at)).bytesWritten
}

async function syncDirectory(path: string): Promise<void> {
  const directory = await open(dirname(path), 'r')
  await directory.sync().catch(() => {})
  await directory.close()
}

/** Why nothing can be put there, as far as that is seen without trying. */
export function barredAt(path: string): string | undefined {
  try {
    if (!statSync(dirname(path)).isDirectory()) return reasons.ENOTDIR
    accessSync(dirname(path), constants.W_OK)
    return undefined
  } catch (e) {
    return reasonOf(e as Error)
  }
}

function unwritable(path: string, e: unknown): Error {
  if (e instanceof StoreError) return e
  return new StoreError(
    `${path} can’t be written: ${reasonOf(e as Error)}`,
    'nothing was done: mend that, and run this again',
  )
}

const reasons: Readonly<Record<string, string>> = {
  ENOENT: 'its directory is not there',
  ENOTDIR: 'what is above it is no directory',
  EACCES: 'there is no permission',
  EPERM: 'there is no permission',
  EROFS: 'the file system is read-only',
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
}

/** Of what the system said, in words. */
export const reasonOf = (e: Error & { code?: string }) => reasons[e.code ?? ''] ?? e.message
