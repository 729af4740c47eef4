import type { Address } from '../../model/address.js'
import type { Hex } from '../../model/position.js'
import { NO_ACCOUNT } from './abi-words.js'
import { BlockBuilder } from './block-builder.js'
import type { ModelAction } from './model-action.js'
import type { ModelBlock } from './model-block.js'
import type { BlockContent, BlockDraft, ModelChainOptions } from './model-chain-types.js'
import type { ModelRegistry } from './model-registry.js'
import { deployToken, makeWallet, performNative } from './perform-native.js'
import { performToken } from './perform-token.js'
import { sealBlock } from './seal-block.js'
import { State, StateDraft, codeKey, nativeKey } from './state.js'

/** More than any activity spends, and far from what a word can hold. */
const PLENTY = 10n ** 30n
const GENESIS_TIMESTAMP_SECONDS = 1_760_000_000

/** Block 0: wallets, tokens and contracts that were there from the beginning. */
export function makeGenesis(registry: ModelRegistry, options: ModelChainOptions): ModelBlock {
  const draft = new StateDraft(new State(new Map(), null))
  const timestampSeconds = options.genesisTimestampSeconds ?? GENESIS_TIMESTAMP_SECONDS
  makeWallet(registry, draft, { address: registry.operator, balance: PLENTY })
  makeWallet(registry, draft, { address: registry.treasury, kind: 'contract', balance: PLENTY })
  registry.forgetWallets()
  for (const wallet of options.wallets ?? []) makeWallet(registry, draft, wallet)
  for (const spec of options.tokens ?? []) deployToken(registry, draft, { spec, timestampSeconds })
  for (const [address, code] of Object.entries(options.contracts ?? {})) {
    draft.set(codeKey(address as Address), registry.codeNumber(code))
  }
  return sealBlock({
    parent: null,
    timestampSeconds,
    producer: NO_ACCOUNT,
    baseFee: 10n ** 9n,
    extraData: `0x${Buffer.from(registry.name).toString('hex')}`,
    transactions: [],
    withdrawals: [],
    draft,
  })
}

export interface BlockPlan {
  readonly content: BlockContent
  readonly blockTimeSeconds: number
  /** What tells this block from its siblings. */
  readonly extraData: Hex
}

export function makeBlock(parent: ModelBlock, registry: ModelRegistry, plan: BlockPlan): ModelBlock {
  const builder = new BlockBuilder(parent, registry, plan.blockTimeSeconds)
  const draft = draftOf(builder)
  if (typeof plan.content === 'function') plan.content(draft)
  else for (const action of plan.content) draft.perform(action)
  return builder.seal(plan.extraData)
}

function draftOf(builder: BlockBuilder): BlockDraft {
  const { registry, number, timestampSeconds } = builder
  return {
    number,
    timestampSeconds,
    treasury: registry.treasury,
    get wallets() {
      return registry.wallets
    },
    get tokens() {
      return registry.tokensIn(builder.state)
    },
    walletKind: (wallet) => builder.walletKind(wallet),
    balanceOf: (token, wallet) => builder.balanceOf(token, wallet),
    ownedBy: (token, wallet) =>
      token === 'native' ? builder.state.get(nativeKey(wallet)) : builder.owned(builder.token(token), wallet),
    perform: (action) => perform(builder, action),
  }
}

function perform(builder: BlockBuilder, action: ModelAction): void {
  if ('token' in action && typeof action.token === 'string') performToken(builder, action)
  else performNative(builder, action)
}
