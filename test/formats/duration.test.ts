import { test } from 'uvu'
import * as assert from 'uvu/assert'
import { parseDuration } from '../../src/formats/duration.ts'

test('durations as Vault writes them', () => {
  const found = ['90', '1h30m', '768h', '30d', '1m1s', 0, 3600].map(parseDuration)
  assert.equal(found, [90, 5400, 2_764_800, 2_592_000, 61, 0, 3600])
  assert.equal(['', 'soon', '1.5h', '-1h', '1h ', '5x'].map(parseDuration), Array(6).fill(undefined))
})

test.run()
