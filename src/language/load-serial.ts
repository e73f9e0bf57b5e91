import { didYouMean } from './diagnostic.ts'
import type { Fields } from './fields.ts'
import { isTemplated } from './interpolation.ts'
import { type Item, toData } from './item.ts'
import { type Batch, type Order, orders } from './playbook.ts'

/** How many hosts go at a time: a number, a share as `20%`, or a list of these, the last of which counts for all that is
 * left. */
export function loadSerial(f: Fields): readonly Batch[] | undefined {
  const item = f.get('serial')
  if (!item) return undefined
  const items = item.kind === 'list' ? item.items : [item]
  if (items.length === 0) f.error('serial', '`serial` is an empty list', item.span)
  const batches = items.map(batchOf)
  const wrong = items[batches.indexOf(undefined)]
  if (wrong)
    f.error('serial', '`serial` is a number of hosts, a share as `20%`, or a list of these', wrong.span, hintFor(wrong))
  return batches.every((b) => b !== undefined) && batches.length > 0 ? batches : undefined
}

function batchOf(item: Item): Batch | undefined {
  const text = item.kind === 'scalar' ? String(item.value).trim() : ''
  const [, number, percent] = /^(\d+(?:\.\d+)?)(%?)$/.exec(text) ?? []
  const size = Number(number)
  if (number === undefined || size <= 0) return undefined
  if (percent) return size <= 100 ? { share: size / 100 } : undefined
  return Number.isInteger(size) ? { hosts: size } : undefined
}

function hintFor(item: Item): string | undefined {
  const data = toData(item)
  if (data === 0) return 'leave it out for all hosts at once'
  return isTemplated(String(data)) ? 'it is plain: how a play goes is settled before any host is asked' : undefined
}

/** In which order hosts have their turn. */
export function loadOrder(f: Fields): Order {
  const item = f.get('order')
  if (!item) return 'inventory'
  const order = toData(item)
  const found = orders.find((o) => o === order)
  if (found) return found
  const near = didYouMean(String(order), orders)
  const hint =
    order === 'shuffle'
      ? 'a run does not go by chance: what went wrong once could not be done again'
      : near && `did you mean \`${near}\`?`
  f.error('order', `\`order\` is one of ${orders.join(', ')}`, item.span, hint)
  return 'inventory'
}
