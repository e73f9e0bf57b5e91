// All of it in one file, which is compiled ahead (load.ts): the command line, and the door for modules, so that a module from
// elsewhere has the very same one.
export { main } from './main.ts'
export * as door from './module.ts'
