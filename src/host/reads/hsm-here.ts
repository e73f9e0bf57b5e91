import { spawn } from 'node:child_process'
import { accessSync, existsSync, constants as modes } from 'node:fs'
import { constants } from 'node:os'
import { fileURLToPath } from 'node:url'
import { childEnvironment } from '../../child-environment.ts'
import type { Trouble } from '../../formats/pkcs11/seen.ts'
import { type CallKind, type Read, read } from '../read.ts'
import { type HsmLogin, type HsmLoginQuestion, type HsmLook, type HsmPlace, loginKind, lookKind } from './hsm.ts'

// A PKCS #11 library of the controller, through pkcs11js in a process of its own.

/** As `hsmLook`, of the controller; a text says why it can't be asked. */
export function hsmLookHere(place: HsmPlace): Read<HsmLook | string> {
  return read(lookHere, place)
}

/** As `hsmLogin`, on the controller. */
export function hsmLoginHere(question: HsmLoginQuestion): Read<HsmLogin> {
  return read(loginHere, question)
}

const lookHere: CallKind<HsmPlace, HsmLook | string> = {
  name: 'hsm-here',
  key: lookKind.key,
  about: ({ library }) => library,
  call: async (place) => {
    const file = fileAt(place.library)
    if (file !== 'there') return { file, lacks: undefined }
    const { answer, unavailable, trouble } = await askChild<HsmLook>('look', place)
    if (unavailable !== undefined) return unavailable
    return (
      answer ?? { file: 'there', lacks: undefined, seen: { library: undefined, slots: [], mechanisms: [], trouble } }
    )
  },
  paths: () => [],
  difference: () => undefined,
}

function fileAt(path: string): HsmLook['file'] {
  try {
    accessSync(path, modes.R_OK)
    return 'there'
  } catch {
    return existsSync(path) ? 'unreadable' : 'missing'
  }
}

const loginHere: CallKind<HsmLoginQuestion, HsmLogin> = {
  name: 'hsm-login-here',
  key: loginKind.key,
  about: ({ library }) => library,
  call: async (question) => {
    const { answer, unavailable, trouble } = await askChild<HsmLogin>('login', question)
    return answer ?? { objects: [], tried: [], trouble: trouble ?? { at: 'pkcs11js', said: unavailable ?? '' } }
  },
  sparing: loginKind.sparing!,
  difference: loginKind.difference,
}

interface Heard<A> {
  readonly answer?: A
  /** pkcs11js is not there. */
  readonly unavailable?: string
  /** It ended before it answered. */
  readonly trouble?: Trouble
}

const program = new URL('./hsm-child.js', import.meta.url)

function askChild<A>(kind: 'look' | 'login', question: HsmPlace): Promise<Heard<A>> {
  const child = spawn(process.execPath, [fileURLToPath(program)], {
    stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
    env: { ...childEnvironment(), ...question.env },
  })
  return new Promise((resolve) => {
    let [said, at, late] = ['', 'loading the library', false]
    let heard: Heard<A> | undefined
    const timer = setTimeout(() => {
      late = true
      child.kill('SIGKILL')
    }, question.timeout * 1000)
    child.stdio[3]!.on('data', (bytes: Buffer) => {
      timer.refresh()
      const lines = `${said}${bytes.toString('utf8')}`.split('\n')
      said = lines.pop()!
      for (const line of lines) {
        const message = JSON.parse(line) as Heard<A> & { at?: string }
        if (message.at === undefined) heard = message
        else at = message.at
      }
    })
    child.stdin!.on('error', () => {})
    child.stdin!.end(JSON.stringify({ kind, question }))
    child.on('error', (e) => resolve({ unavailable: e.message }))
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      const ended = signal === null ? undefined : constants.signals[signal]
      const why: Trouble = late ? { at, late: true } : ended ? { at, signal: ended } : { at, said: `exit ${code}` }
      resolve(heard ?? { trouble: why })
    })
  })
}
