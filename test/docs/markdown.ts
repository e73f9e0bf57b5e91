import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

// The documents, taken apart for the tests that hold them.

export interface Block {
  readonly page: string
  readonly language: string
  readonly text: string
}

/** README and all that people read beside it. */
export const pages: readonly string[] = [
  'README.md',
  'CHANGELOG.md',
  'inventory/README.md',
  ...readdirSync('docs', { recursive: true })
    .map((f) => join('docs', String(f)))
    .filter((f) => f.endsWith('.md'))
    .sort(),
]

export const textOf = (page: string): string => readFileSync(page, 'utf8')

export function blocks(page: string): Block[] {
  return [...textOf(page).matchAll(/^```(\w*)\n([\s\S]*?)^```$/gm)].map(([, language, text]) => ({
    page,
    language: language!,
    text: text!,
  }))
}

/** The text without its code. */
export const prose = (page: string): string => textOf(page).replace(/^```[\s\S]*?^```$/gm, '')

/** What stands below a heading, up to the next one of its level or above. */
export function section(page: string, heading: string): string {
  const [, found] = new RegExp(`^#+ ${heading}\\n([\\s\\S]*?)(?=^#|(?![\\s\\S]))`, 'm').exec(textOf(page)) ?? []
  if (found === undefined) throw new Error(`${page} has no heading ${heading}`)
  return found
}

/** The rows of the first table of a text, without its head. */
export function rows(text: string): string[][] {
  const lines = text.split('\n')
  const start = lines.findIndex((l) => /^\|(-+\|)+$/.test(l))
  const end = lines.findIndex((l, i) => i > start && !l.startsWith('|'))
  return lines.slice(start + 1, end === -1 ? undefined : end).map((line) =>
    line
      .slice(1, -1)
      .split(/(?<!\\)\|/)
      .map((cell) => cell.replaceAll('\\|', '|').trim()),
  )
}

/** All that stands in backticks. */
export const codes = (text: string): string[] => [...text.matchAll(/`([^`\n]+)`/g)].map(([, code]) => code!)

/** Links of a page to files of this repository, as path and anchor. */
export function links(page: string): { readonly path: string; readonly anchor: string | undefined }[] {
  return [...prose(page).matchAll(/\]\(([^)\s]+)\)/g)]
    .map(([, to]) => to!)
    .filter((to) => !/^[a-z]+:/.test(to))
    .map((to) => {
      const [path, anchor] = to.split('#')
      return { path: path === '' ? page : join(dirname(page), path!), anchor }
    })
}

/** The anchors that headings have. */
export const anchors = (page: string): string[] =>
  [...prose(page).matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading!
      .toLowerCase()
      .replace(/[^\w\- ]/g, '')
      .replaceAll(' ', '-'),
  )
