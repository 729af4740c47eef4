import { attributeChanges } from './chain/balances/attribute.js'
import { readBalances } from './chain/balances/read-balances.js'
import { fetchHeadersByNumber } from './chain/head/fetch-headers.js'
import type { RpcClient } from './chain/rpc/rpc-client.js'
import { BlockUnavailableError } from './chain/rpc/rpc-errors.js'
import type { HistoryFindings, HistorySearch, HistorySource } from './ledger/history/history-source.js'
import type { Logger } from './model/logger.js'
import type { SpanChange } from './model/chain-event.js'
import { positionKey } from './model/position.js'

/** The past of a chain as its endpoints serve it. */
export function bindHistorySource(client: RpcClient, logger: Logger): HistorySource {
  return {
    async header(number) {
      const [header] = await fetchHeadersByNumber(client, number, 1)
      if (header === undefined) throw new BlockUnavailableError(`no endpoint has block ${number}`)
      return header
    },
    balancesAt: (block, positions) => readBalances(client, block, positions, logger),
    search: (search) => searchEveryBlock(client, search, logger),
  }
}

const HEADERS_AT_ONCE = 64n

async function searchEveryBlock(
  client: RpcClient,
  { positions, from, to, signal }: HistorySearch,
  logger: Logger,
): Promise<HistoryFindings> {
  const held = new Map(positions.map((position) => [positionKey(position), position.balance]))
  const changes: SpanChange[] = []
  let readings = await readBalances(client, to, positions, logger)
  for (let first = from.number + 1n; first <= to.number; first += HEADERS_AT_ONCE) {
    const count = to.number - first + 1n < HEADERS_AT_ONCE ? to.number - first + 1n : HEADERS_AT_ONCE
    for (const header of await fetchHeadersByNumber(client, first, Number(count))) {
      signal?.throwIfAborted()
      readings = await readBalances(client, header, positions, logger)
      const moved = readings.flatMap((reading) => {
        const before = held.get(positionKey(reading.position))
        if (reading.kind === 'failed' || before === undefined || before === reading.balance) return []
        return [{ position: reading.position, balance: reading.balance, delta: reading.balance - before }]
      })
      const attributions = await attributeChanges(client, header, moved)
      for (const { position, balance, delta } of moved) {
        const key = positionKey(position)
        held.set(key, balance)
        const unknown = { transactionHashes: [], cause: 'unknown', unexplained: delta } as const
        changes.push({ position, block: header, balance, attribution: attributions.get(key) ?? unknown })
      }
    }
  }
  return {
    changes,
    positions: readings.map((reading) => ({ position: reading.position, coverage: 'exact', reading })),
  }
}
