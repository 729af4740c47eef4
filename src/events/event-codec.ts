import { z } from 'zod'

import { isAddress } from '../model/address.js'
import { balanceCauses } from '../model/balance-cause.js'
import type { EventType, TidemarkEvent } from '../model/event.js'
import type { Hash, Token } from '../model/position.js'

/**
 * How an event is kept in the log: JSON with every integer as decimal text. A snapshot is not encoded here, because its
 * event only refers to the stored row.
 */
export function encodeEvent(event: TidemarkEvent): string {
  return JSON.stringify(event.data, (_key, value: unknown) => (typeof value === 'bigint' ? value.toString() : value))
}

const integer = z
  .string()
  .regex(/^-?\d+$/)
  .transform(BigInt)
const hash = z.string().regex(/^0x[0-9a-f]{64}$/) as unknown as z.ZodType<Hash>
const address = z.string().refine(isAddress)
const token = z.union([z.literal('native'), address]) as z.ZodType<Token>
const time = z.string().transform((text) => new Date(text))
const position = z.object({ chainId: integer, token, solver: address })

const balanceUpdated = z.object({
  chainId: integer,
  tokenAddress: token,
  solverAddress: address,
  previousBalance: integer,
  newBalance: integer,
  changeAmount: integer,
  blockNumber: integer,
  blockHash: hash,
  timestamp: time,
  transactionHash: hash.optional(),
  transactionHashes: z.array(hash),
  // Events of the first version say neither.
  cause: z.enum(balanceCauses).default('unknown'),
  unexplained: integer.default(0n),
})

const positionStarted = z.object({
  chainId: integer,
  tokenAddress: token,
  solverAddress: address,
  balance: integer,
  blockNumber: integer,
  blockHash: hash,
  timestamp: time,
  decimals: z.number().nullable(),
  symbol: z.string().nullable(),
  name: z.string().nullable(),
})

const balanceReverted = z.object({
  chainId: integer,
  ancestor: z.object({ number: integer, hash }),
  items: z.array(
    z.object({
      position,
      orphaned: z.array(z.object({ blockNumber: integer, blockHash: hash, balance: integer })),
      balance: integer.nullable(),
      blockNumber: integer.nullable(),
    }),
  ),
})

const historyExtended = z.object({
  chainId: integer,
  tokenAddress: token,
  solverAddress: address,
  fromBlock: integer,
  toBlock: integer,
  reason: z.enum(['backfill', 'verify', 'sync']),
  coverage: z.enum(['exact', 'sampled']),
  added: z.number(),
  removed: z.number(),
  balance: integer.nullable(),
})

const tokenChanged = z.object({
  chainId: integer,
  tokenAddress: token,
  accruing: z.boolean(),
  decimals: z.number().nullable(),
  symbol: z.string().nullable(),
  name: z.string().nullable(),
})

const watchListChanged = z.object({ reason: z.string() })

/** Reads back what `encodeEvent` wrote. A snapshot event is joined with its row by the store and never comes here. */
export function decodeEvent(type: Exclude<EventType, 'snapshot.saved'>, payload: unknown): TidemarkEvent {
  switch (type) {
    case 'balance.updated':
      return { type, data: balanceUpdated.parse(payload) }
    case 'position.started':
      return { type, data: positionStarted.parse(payload) }
    case 'balance.reverted':
      return { type, data: balanceReverted.parse(payload) }
    case 'history.extended':
      return { type, data: historyExtended.parse(payload) }
    case 'token.changed':
      return { type, data: tokenChanged.parse(payload) }
    case 'watch-list.changed':
      return { type, data: watchListChanged.parse(payload) }
  }
}
