import type { Address } from '../../model/address.js'
import type { Random } from '../random.js'
import type { ActivityOptions, BlockDraft } from './model-chain-types.js'
import type { ModelToken } from './model-token.js'

const ACTIONS_MAX = 3
/** A wallet that has less for fees is given some. */
const RESERVE = 10n ** 16n
const GIFT = 10n ** 18n
const THOUSAND = 1000n

/** Performs what may happen in a block: anything that this chain's wallets and tokens can do, and nothing they cannot. */
export function drawActivity(draft: BlockDraft, random: Random, options: ActivityOptions = {}): void {
  const wallets = options.wallets ?? draft.wallets
  if (wallets.length === 0) return
  const wanted = options.tokens
  const tokens = draft.tokens.filter(({ address }) => wanted === undefined || wanted.includes(address))
  const count = random.integer(0, options.actionsMax ?? ACTIONS_MAX)
  for (let done = 0; done < count; done += 1) {
    const wallet = random.pick(wallets)
    const other = random.pick([...wallets, draft.treasury])
    if (draft.ownedBy('native', wallet) < RESERVE) {
      draft.perform({ kind: 'internal', from: draft.treasury, to: wallet, value: GIFT })
    } else if (tokens.length > 0 && random.integer(0, 1) === 0) {
      drawTokenAction(draft, random, { token: random.pick(tokens), wallet, other })
    } else {
      drawNativeAction(draft, random, { wallet, other })
    }
  }
}

/** At most half of what there is. */
function part(random: Random, whole: bigint): bigint {
  return (whole * BigInt(random.integer(1, 500))) / THOUSAND
}

function drawNativeAction(
  draft: BlockDraft,
  random: Random,
  { wallet, other }: { readonly wallet: Address; readonly other: Address },
): void {
  const value = part(random, draft.ownedBy('native', wallet) - RESERVE / 2n)
  const kind = draft.walletKind(wallet)
  switch (random.integer(0, 9)) {
    case 0:
      return draft.perform({ kind: 'failed-transfer', from: wallet, to: other, value })
    case 1:
      return draft.perform({ kind: 'transfer', from: wallet, to: wallet, value })
    case 2:
      return draft.perform({ kind: 'internal', from: draft.treasury, to: wallet, value: GIFT / 7n })
    case 3:
      return draft.perform({ kind: 'withdrawal', to: wallet, amountGwei: BigInt(random.integer(1, 100_000_000)) })
    case 4:
      return draft.perform({ kind: 'produce', producer: wallet, reward: random.integer(0, 1) === 0 ? 0n : GIFT / 50n })
    case 5: {
      // Nothing leaves an account without code but by its own transactions.
      const given = random.integer(0, 1) === 0 || kind === 'plain'
      return draft.perform({ kind: 'irregular', to: wallet, value: given ? GIFT / 9n : -value })
    }
    case 6:
      if (kind === 'contract') return draft.perform({ kind: 'internal', from: wallet, to: other, value })
      return draft.perform({ kind: 'create', from: wallet, value })
    case 7:
      if (kind !== 'plain') return draft.perform({ kind: 'internal', from: wallet, to: other, value })
      return draft.perform({ kind: 'transfer', from: wallet, to: other, value })
    default:
      return draft.perform({ kind: 'transfer', from: wallet, to: other, value })
  }
}

function drawTokenAction(
  draft: BlockDraft,
  random: Random,
  { token, wallet, other }: { readonly token: ModelToken; readonly wallet: Address; readonly other: Address },
): void {
  const { address } = token
  const roll = random.integer(0, 5)
  const owned = draft.ownedBy(address, wallet)
  const spare = draft.ownedBy('native', wallet) - RESERVE / 2n
  const alias = token.kind === 'native-alias'
  if (roll === 0 && drawOddity(draft, random, { token, wallet, other })) return
  if (token.kind === 'weth9' || token.kind === 'arbitrum-weth') {
    if (owned === 0n || roll < 3)
      return draft.perform({ kind: 'deposit', token: address, from: wallet, value: part(random, spare) })
    if (roll === 3) return draft.perform({ kind: 'withdraw', token: address, from: wallet, value: part(random, owned) })
  } else if (!alias && (owned === 0n || roll === 1)) {
    return draft.perform({
      kind: 'token-mint',
      token: address,
      to: wallet,
      value: GIFT * BigInt(random.integer(1, 1000)),
    })
  } else if (!alias && roll === 2) {
    return draft.perform({ kind: 'token-burn', token: address, from: wallet, value: part(random, owned) })
  }
  const value = part(random, alias ? spare : owned)
  draft.perform({ kind: 'token-transfer', token: address, from: wallet, to: other, value })
}

/** What only some kinds do. @returns false for a token that has no oddity of this sort. */
function drawOddity(
  draft: BlockDraft,
  random: Random,
  { token, wallet, other }: { readonly token: ModelToken; readonly wallet: Address; readonly other: Address },
): boolean {
  const { kind, address } = token
  if (kind === 'rebasing' || kind === 'rebasing-with-event') {
    draft.perform({ kind: 'rebase', token: address, basisPoints: random.integer(-300, 500) })
    return true
  }
  if (kind === 'phantom') {
    draft.perform({ kind: 'phantom-transfer', token: address, from: wallet, to: other, value: GIFT })
    return true
  }
  if (kind === 'reverting') {
    const broken = draft.balanceOf(address, wallet) !== 'unreadable'
    draft.perform({ kind: 'set-broken', token: address, broken })
    return true
  }
  return false
}
