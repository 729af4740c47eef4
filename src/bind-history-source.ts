import { readBalances } from './chain/balances/read-balances.js'
import { fetchHeadersByNumber } from './chain/head/fetch-headers.js'
import { readHistory } from './chain/history/read-history.js'
import type { RpcClient } from './chain/rpc/rpc-client.js'
import { BlockUnavailableError } from './chain/rpc/rpc-errors.js'
import type { HistorySource } from './ledger/history/history-source.js'
import type { Logger } from './model/logger.js'

/** The past of a chain as its endpoints serve it. */
export function bindHistorySource(client: RpcClient, logger: Logger): HistorySource {
  return {
    async header(number) {
      const [header] = await fetchHeadersByNumber(client, number, 1)
      if (header === undefined) throw new BlockUnavailableError(`no endpoint has block ${number}`)
      return header
    },
    balancesAt: (block, positions) => readBalances(client, block, positions, { logger }),
    search: (search) => readHistory(client, { ...search, logger }),
  }
}
