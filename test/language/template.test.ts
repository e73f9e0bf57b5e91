import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { compileTemplate } from '../../src/language/template.ts'

const render = (text: string, scope: object) => compileTemplate({ path: 't.ejs', text }).render(scope as never)

test('a name is found wherever in the scope it stands', () => {
  const given = Object.assign(Object.create(null), { host: 'h1' })
  const play = Object.create(given, { port: { get: () => 8200, enumerable: true } })
  assert.is(
    render('<%= host %>:<%= port %> <%= item %>', Object.assign(Object.create(play), { item: 'x' })),
    'h1:8200 x',
  )
})

test('nothing is escaped, statements run, functions of expressions are there', () => {
  assert.is(render('<% for (const n of range(1, 3)) { -%>\n<%= n %> <&>\n<% } -%>\n', {}), '1 <&>\n2 <&>\n')
})

test('a name that is nowhere is an error with its line', () => {
  assert.throws(
    () => render('one\n<%= nowhere %>\n', {}),
    (e: { diagnostic?: { message: string } }) => /`nowhere` is not defined/.test(e.diagnostic?.message ?? ''),
  )
})

test.run()
