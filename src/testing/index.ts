export { type Anvil, type AnvilOptions, startAnvil } from './anvil.js'
export {
  absurdMetadataToken,
  accruingToken,
  bridgedWETH,
  bytes32Token,
  collectibleToken,
  feeOnTransferToken,
  gasBurningToken,
  hostileNameToken,
  nativeAliasToken,
  phantomToken,
  rebasingToken,
  returnBombToken,
  revertingToken,
  shortReturnToken,
  silentToken,
  splitter,
  testToken,
  weth9,
} from './contracts/artifacts.js'
export { AnvilError, WorldError } from './errors.js'
export { createRandom, type Random } from './random.js'
export { balanceAt, balancesAt, type Holding } from './truth.js'
export { type WorldAction, type WorldActionKind, worldActionKinds } from './world-action.js'
export type { MiningMode } from './world-receipt.js'
export type { WorldTransaction } from './world-sender.js'
export type { WorldToken, WorldTokenSpec } from './world-setup.js'
export { createWorld, type World, type WorldOptions } from './world.js'
