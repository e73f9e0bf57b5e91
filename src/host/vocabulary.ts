// What a host can be asked and told, as modules use it.

export { fromBytes, toBytes } from './bytes.ts'
export type { ApiAnswer, ApiRequest, TlsTrust, Way } from './channel.ts'
export type { Effect } from './effect.ts'
export { answerEffect, anythingEffect, callsUnknown, pathEffect, unknownEffect } from './effect.ts'
export type { Facts } from './facts.ts'
export { type CallKind, type Read, read } from './read.ts'
export { type Account, account, type Group, group } from './reads/account.ts'
export { api, dataDifference } from './reads/api.ts'
export { type Archived, archive } from './reads/archive.ts'
export { capabilities, output, type Said, which } from './reads/command.ts'
export {
  type ChecksumAlgorithm,
  type Content,
  checksum,
  checksumAlgorithms,
  content,
  type Sum,
  sum,
  sumFor,
} from './reads/content.ts'
export { credentialMark, encryptedCredential } from './reads/credential.ts'
export {
  type Entry,
  entry,
  type FileType,
  followed,
  modeText,
  nameOf,
  parentOf,
  type Spot,
  type Stat,
} from './reads/entry.ts'
export { type HsmLogin, type HsmLook, type HsmPlace, hsmLogin, hsmLook, type PinSource } from './reads/hsm.ts'
export { hsmLoginHere, hsmLookHere } from './reads/hsm-here.ts'
export { installedPackage, type Package, packageLatest } from './reads/package.ts'
export { type PortLook, type PortQuestion, portLook } from './reads/port.ts'
export { type Tree, tree } from './reads/tree.ts'
export { bootTime, canBeEnabled, isTemplate, type Unit, unit, unitAfter, unitName } from './reads/unit.ts'
export type { CallEnd, CallStep, Diff, ShellStep, Step, StepEnd } from './step.ts'
export { changeAccount, changeGroup, makeHome } from './steps/account.ts'
export type { Attributes } from './steps/attributes.ts'
export { setCapabilities } from './steps/capabilities.ts'
export { type Command, runCommand } from './steps/command.ts'
export { encryptCredential } from './steps/credential.ts'
export {
  backupFile,
  copyFile,
  makeDirectory,
  makeEmptyFile,
  makeHardLink,
  makeLink,
  missingParents,
  type Place,
  placeOf,
  remove,
  removeEmptyDirectory,
  setAttributes,
  setTimes,
  type Time,
  writeFile,
} from './steps/files.ts'
export { isPair, makeHsmKey, type NewKey } from './steps/hsm.ts'
export { changePackages, updateLists } from './steps/package.ts'
export { type ProgramSource, placeProgram, type Trial } from './steps/program.ts'
export { tool } from './steps/tool.ts'
export { changeUnit, daemonReload, verifyUnit } from './steps/unit.ts'
export { type WrongAnswer, waitForAnswer, waitStep } from './steps/wait.ts'
