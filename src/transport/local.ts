import { spawn } from 'node:child_process'
import { childEnvironment } from '../child-environment.ts'
import { connectHere } from './forward.ts'
import { afterExit, type CommandStream, type Connection } from './stream.ts'

const longestErrors = 8192

/** Runs a command line on this machine by `shell -c`, in a process group of its own: a Ctrl-C on the terminal is for the
 * controller, which then ends its sessions in order. As on any host, secrets of the controller's environment are not in
 * that of what runs there. */
export function openLocal(command: string, shell = '/bin/sh'): CommandStream {
  const child = spawn(shell, ['-c', command], {
    stdio: ['pipe', 'pipe', 'pipe'],
    detached: true,
    env: childEnvironment(),
  })
  let errors = ''
  child.stderr.setEncoding('latin1').on('data', (text: string) => {
    errors = (errors + text).slice(-longestErrors)
  })
  const ended = new Promise<{ code: number | undefined }>((resolve) => {
    child.on('error', (e) => {
      errors += e.message
      resolve({ code: undefined })
    })
    child.on('exit', (code) =>
      // what a shell that was killed had started may hold its output open
      setTimeout(() => {
        resolve({ code: code ?? undefined })
        child.stdin.destroy()
      }, afterExit).unref(),
    )
    child.on('close', (code) => resolve({ code: code ?? undefined }))
  })
  // a command that ends early makes writes fail: `ended` tells, the stream need not
  child.stdin.on('error', () => {})
  return { input: child.stdin, output: child.stdout, errors: () => errors, ended, destroy: () => child.stdin.destroy() }
}

/** This machine as a host. */
export const localConnection: Connection = {
  exec: async (command) => openLocal(command),
  connect: connectHere,
  lost: () => undefined,
  close: async () => {},
}
