import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { ValueError } from '../../src/language/playbook.ts'
import { compileTemplate } from '../../src/language/template.ts'

const names = (text: string) => [...compileTemplate({ path: 't.ejs', text }).names.keys()].sort().join(' ')

const cases: readonly [template: string, names: string][] = [
  ['plain text, { braces } and <%% literal %>', ''],
  ['<%= a %> <%- b.c %> <%# d %>', 'a b'],
  ['<% if (a) { %> <%= b %> <% } else { %> <%= c %> <% } -%>', 'a b c'],
  ['<% for (const x of xs) { %><%= x.name %><%= y %><% } %>', 'xs y'],
  ['<% xs.forEach(function (x, i) { %><%= i %><%= x %><% }) %>', 'xs'],
  ['<% xs.forEach((x) => { let z = x; var w = q %><%= z %><%= w %><% }) %>', 'q xs'],
  ['<% const { a, b: { c }, ...d } = o; const [e = f] = l %><%= a %><%= c %><%= d %><%= e %>', 'f l o'],
  ['<% function g(h) { return h + k } %><%= g(1) %>', 'k'],
  ['<% try { t() } catch (e) { %><%= e %><% } %>', 't'],
  ["<%= typeof m === 'undefined' ? 'none' : m %>", ''],
  ['<%= locals.n %> <%= JSON.stringify(o) %> <%= Math.max(1, 2) %> <%= undefined %>', 'o'],
  ['<%= { a: b, [c]: d, e } %>', 'b c d e'],
  ['<%= facts.kernel %> <%= facts[x] %>', 'facts facts.kernel x'],
  ['<%= toJSON(v) %>', 'toJSON v'],
  ['<%_ if (a) { _%>\n<%= b %>;\n<%_ } _%>', 'a b'],
  ['<%= a; %>', 'a'],
  ['<%= Date.now() %><%= process.env.X %>', 'Date process'],
]
for (const [template, expected] of cases) test(`names: ${template}`, () => assert.is(names(template), expected))

const broken: readonly [template: string, at: number][] = [
  ['text\n<%= a b %>', 11],
  ['<% if (a) { %>', 13],
  ['one <%= two', 4],
  ['<% } %>', 3],
]
for (const [template, start] of broken)
  test(`broken: ${JSON.stringify(template)}`, () => {
    try {
      compileTemplate({ path: 't.ejs', text: template })
    } catch (e) {
      assert.instance(e, ValueError)
      const { span, code } = (e as ValueError).diagnostic
      assert.is(code, 'template')
      assert.is(span!.start, start)
      return
    }
    throw new Error('no error')
  })

test('a name that is missing is told with its place, before anything is rendered', () => {
  try {
    compileTemplate({ path: 't.ejs', text: 'a\n<% if (false) { %><%= nowhere %><% } %>' }).render({})
  } catch (e) {
    const { message, span } = (e as ValueError).diagnostic
    assert.is(message, 'the variable `nowhere` is not defined')
    assert.is(span!.start, 'a\n<% if (false) { %><%= '.length)
    return
  }
  throw new Error('no error')
})

test.run()
