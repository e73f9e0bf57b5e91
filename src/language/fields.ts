import { givenNames } from './check-names.ts'
import { compileCondition, compileValue, compileVariable } from './compile.ts'
import type { Diagnostic, Span } from './diagnostic.ts'
import { booleanHint, type Item, type MapItem, toData } from './item.ts'
import type { Value } from './playbook.ts'

/** Reads the fields of one mapping; all that is wrong goes to `report`. */
export class Fields {
  readonly item: MapItem
  readonly report: (d: Diagnostic) => void

  constructor(item: MapItem, report: (d: Diagnostic) => void) {
    this.item = item
    this.report = report
  }

  error(code: string, message: string, span: Span, hint?: string): void {
    this.report({ code, severity: 'error', message, span, ...(hint === undefined ? {} : { hint }) })
  }

  get(key: string): Item | undefined {
    const value = this.item.entries.find((e) => e.key === key)?.value
    return value?.kind === 'scalar' && value.value === null ? undefined : value
  }

  /** Plain text, not a template. */
  text(key: string): string | undefined {
    const item = this.get(key)
    if (!item) return undefined
    if (item.kind === 'scalar' && typeof item.value !== 'boolean') {
      if (!compileValue(item, () => {}).constant)
        this.error('type', `\`${key}\` is plain text, without a template`, item.span)
      return String(item.value)
    }
    this.error('type', `\`${key}\` is a text`, item.span)
    return undefined
  }

  /** `true` or `false`, not a template. */
  flag(key: string, otherwise: boolean): boolean {
    const item = this.get(key)
    if (!item) return otherwise
    if (item.kind === 'scalar' && typeof item.value === 'boolean') return item.value
    this.error('type', `\`${key}\` is true or false`, item.span, booleanHint(toData(item)))
    return otherwise
  }

  /** A value with templates; a constant text where a boolean is meant is an error. */
  boolean(key: string): Value | undefined {
    const item = this.get(key)
    if (!item) return undefined
    const value = compileValue(item, this.report)
    if (value.constant && typeof value.evaluate({}) !== 'boolean')
      this.error('type', `\`${key}\` is true or false`, item.span, booleanHint(toData(item)))
    return value
  }

  value(key: string): Value | undefined {
    const item = this.get(key)
    return item && compileVariable(key, item, this.report)
  }

  /** One text or a list of texts. */
  texts(key: string): string[] {
    const item = this.get(key)
    if (!item) return []
    const data = [toData(item)].flat()
    if (!compileValue(item, () => {}).constant)
      this.error('type', `\`${key}\` is plain text, without a template`, item.span)
    if (data.every((d) => typeof d === 'string' || typeof d === 'number'))
      return data.flatMap((d) => String(d).split(',')).map((d) => d.trim())
    this.error('type', `\`${key}\` is a text or a list of texts`, item.span)
    return []
  }

  /** One condition or a list of them, all of which have to hold. */
  conditions(key: string): readonly Value[] | undefined {
    const item = this.get(key)
    if (!item) return undefined
    const list = item.kind === 'list' ? item.items : [item]
    return list.map((i) => compileCondition(i, this.report))
  }

  variables(key: string): Map<string, Value> {
    const item = this.get(key)
    const found = new Map<string, Value>()
    if (!item) return found
    if (item.kind !== 'map') {
      this.error('type', `\`${key}\` is a mapping of names to values`, item.span)
      return found
    }
    for (const { key: name, keySpan, value } of item.entries) {
      if (this.isName(name, keySpan)) found.set(name, compileVariable(name, value, this.report))
    }
    return found
  }

  /** Whether a variable can have that name. */
  isName(name: string, span: Span): boolean {
    if (!/^[A-Za-z_]\w*$/.test(name))
      this.error('variable-name', `\`${name}\` is no name of a variable: letters, digits and _ only`, span)
    else if (givenNames.includes(name))
      this.error('variable-name', `\`${name}\` is given by runbook itself`, span, 'take another name')
    else return true
    return false
  }
}
