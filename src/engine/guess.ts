import type { Read } from '../host/read.ts'

// What a task will register is not known when the questions of those behind it are looked for. Most of them do not depend
// on it: a file's content does, its path does not. So they are looked for with a mark in its place, and what the mark gets
// into is not asked. A question too many costs little, and no plan is ever made of a guess.

const mark = '/not-known-until-it-is-asked'

const property = { value: mark, enumerable: true, configurable: true }

/** Stands for a result; every member of it is the mark, which has none of its own. */
export const guess: object = new Proxy(
  {},
  { get: () => mark, has: () => true, getOwnPropertyDescriptor: () => property },
)

/** Whether a question was made without the mark. */
export function isSound(read: Read): boolean {
  return !read.key.includes(mark)
}
