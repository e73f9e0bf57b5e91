import { test } from 'uvu'
import { testsOnNode } from './nodes.ts'

testsOnNode('22')
test.run()
