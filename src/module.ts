// The one door through which modules come, ours and a third party's (`runbook/module`).

export { commandParams, commandPlan, commandReads } from './command-task.ts'
export * from './contract.ts'
export { edited } from './editing.ts'
export { damageOf, isZip, type Member, type PackedMember } from './formats/archive.ts'
export { type BlockEdit, editBlock } from './formats/block.ts'
export { parseCapabilities, printCapabilities } from './formats/capabilities.ts'
export { parseDuration } from './formats/duration.ts'
export { matcher } from './formats/globs.ts'
export { hashOf } from './formats/hash.ts'
export { type HclBlock, type HclBody, type HclValue, printHcl } from './formats/hcl.ts'
export { editLines, type LineEdit } from './formats/lines.ts'
export { parseMode } from './formats/mode.ts'
export { hasOtherPassword, mayBeP12 } from './formats/p12.ts'
export {
  type HsmObject,
  type KeyTrial,
  mechanismName,
  slotOf,
  type Tried,
  type Trouble,
  troubleWords,
} from './formats/pkcs11/seen.ts'
export { pythonJson } from './formats/python-json.ts'
export { type Reason, serviceEnd } from './formats/service-end.ts'
export { splitWords } from './formats/shell-words.ts'
export { parseTagged, printTagged, setTag, type Tagged, tagValues } from './formats/tagged.ts'
export { parseTimestamp } from './formats/timestamp.ts'
export { printUnit, type UnitSections, unitDirectives, unitWarnings } from './formats/unit.ts'
export * from './host/vocabulary.ts'
export {
  type HsmParams,
  type HsmProblem,
  hsmExclusive,
  hsmLoginQuestion,
  hsmParams,
  hsmPlace,
  keyProblem,
  lockoutProblem,
  loginProblem,
  lookProblem,
  missingMechanisms,
  pinSource,
  pinVariable,
  serialOf,
  untriedProblem,
} from './hsm.ts'
export { hsmLog, logWords } from './hsm-log.ts'
export type { ParamSchema, Params, ParamsSchema } from './language/schema.ts'
export {
  type LocalFile,
  type LocalLink,
  type LocalRead,
  type LocalTree,
  localFile,
  localPlace,
  localTree,
  rendered,
  type Signed,
  signature,
} from './local-read.ts'
export {
  attributesShown,
  type Ownership,
  ownershipMissing,
  ownershipOf,
  ownershipOfNew,
  ownershipParams,
  ownershipSteps,
} from './ownership.ts'
export { inTheWay, type Placing, placedPlan, placeFile, wayBarred, withBackup } from './placing.ts'
export { type PortWanted, placeText, portProblem, portResult, portWarnings } from './port.ts'
export { addressOf, missingFile, portExclusive, portFiles, portParams, portQuestion, portWanted } from './port-files.ts'
export { exitStatus } from './said.ts'
export { type OpenStore, openStore, StoreError, type StorePlace, settleStore, whoIs } from './secrets/store.ts'
export { type Stored, stored } from './secrets/stored.ts'
export { ifKnown, Unknown, UnknownValue } from './unknown.ts'
export {
  arranged,
  membersOf,
  type Selection,
  type UnpackAnswers,
  type Unpacking,
  unpackReads,
  unpackSteps,
} from './unpacking.ts'
export {
  type Build,
  buildText,
  compareVersions,
  isHsmBuild,
  isLesser,
  parseBuild,
  type Release,
  releaseOf,
  type SaidBuild,
  saidBuild,
} from './vault/release.ts'
export * from './vault/vocabulary.ts'
