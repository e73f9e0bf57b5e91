import { test } from 'uvu'
import { testsOnNode } from './nodes.ts'

testsOnNode('24')
test.run()
