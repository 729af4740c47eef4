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
export { type Fault, type FaultKind, faultKinds, type InjectedFault } from './fault-proxy/fault.js'
export { type FaultProxy, type FaultProxyOptions, startFaultProxy } from './fault-proxy/fault-proxy.js'
export { createFaultyNode, type FaultyNode, type FaultyNodeOptions } from './fault-proxy/faulty-node.js'
export { type RemoteNode, remoteNode } from './fault-proxy/remote-node.js'
export { createModelChain } from './model-chain/create-model-chain.js'
export type { ModelAction, ModelWalletKind, ModelWalletSpec } from './model-chain/model-action.js'
export type { ModelBlock, ModelCall, ModelLog, ModelTransaction, ModelWithdrawal } from './model-chain/model-block.js'
export { ModelChainError } from './model-chain/model-chain-error.js'
export type {
  ActivityOptions,
  BlockContent,
  BlockDraft,
  ModelChain,
  ModelChainOptions,
  ModelNode,
  TruthChange,
} from './model-chain/model-chain-types.js'
export {
  type ModelToken,
  type ModelTokenKind,
  type ModelTokenSpec,
  modelTokenKinds,
} from './model-chain/model-token.js'
export { type FrontendOptions, nodeFrontend } from './model-chain/node-frontend.js'
export type { NodeFeatures } from './model-chain/node-features.js'
export { type ServedFrontend, serveFrontend } from './model-chain/serve-frontend.js'
export { type ServedModelChain, startModelChain } from './model-chain/start-model-chain.js'
export { createRandom, type Random } from './random.js'
export type { HttpOutcome, NodeAnswer, NodeCall, NodeConnection, NodeFrontend, NodeTopic, RpcNode } from './rpc-node.js'
export { balanceAt, balancesAt, type Holding } from './truth.js'
export { type WorldAction, type WorldActionKind, worldActionKinds } from './world-action.js'
export type { MiningMode } from './world-receipt.js'
export type { WorldTransaction } from './world-sender.js'
export type { WorldToken, WorldTokenSpec } from './world-setup.js'
export { createWorld, type World, type WorldOptions } from './world.js'
