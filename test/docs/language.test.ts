import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { factNames } from '../../src/host/facts.ts'
import { givenNames } from '../../src/language/check-names.ts'
import { parseExpression } from '../../src/language/expression.ts'
import { includeKeys, otherPlayKeys, otherTaskKeys, playKeys, taskFileKeys, taskKeys } from '../../src/language/keys.ts'
import { schemaWords } from '../../src/language/load-params.ts'
import { globals, methods } from '../../src/language/values.ts'
import { codes, rows, section } from './markdown.ts'

// The tables of docs/language.md are the language's: nothing is missing, and nothing is told that is not there.

const page = 'docs/language.md'
const firsts = (heading: string) => rows(section(page, heading)).flatMap(([first]) => codes(first!))
const same = (told: Iterable<string>, real: Iterable<string>) =>
  assert.equal([...new Set(told)].sort(), [...real].sort())

test('keywords of plays and tasks', () => {
  same(firsts('Plays'), playKeys)
  same(firsts('Tasks'), taskKeys)
  same(firsts('Task files'), taskFileKeys)
  same(firsts('Includes'), includeKeys)
})

test('words of a schema of parameters', () => {
  const told = codes(
    section(page, 'Task files')
      .split(/A\s+schema may use/)[1]!
      .split('\n\n')[0]!,
  )
  same(told, Object.keys(schemaWords))
})

test('facts', () => same(firsts('Facts'), factNames))

test('functions and methods', () => {
  same(
    firsts('Functions').map((call) => call.replace(/\(.*/, '')),
    Object.keys(globals),
  )
  const [texts, lists, numbers] = rows(section(page, 'Methods')).map(([, names]) => codes(names!))
  same(texts!, methods.string)
  same(lists!, methods.list)
  same(numbers!, methods.number)
})

test('names that are always there', () => {
  const told = codes(section(page, 'Variables'))
  for (const name of givenNames) assert.ok(told.includes(name), name)
})

test('words of Ansible that mean nothing here', () => {
  same(
    firsts('Not there').filter((w) => !w.startsWith('with_')),
    new Set([...Object.keys(otherPlayKeys), ...Object.keys(otherTaskKeys)]),
  )
})

test('what stands for an expression of Ansible is an expression', () => {
  const ours = rows(section(page, 'Values and conditions')).flatMap(([, here]) => codes(here!))
  assert.ok(ours.length > 15)
  for (const text of ours.filter((t) => !t.startsWith('<% if'))) parseExpression(text.replace(/^<%=\s*|\s*%>$/g, ''))
})

test.run()
