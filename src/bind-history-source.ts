import { readBalances } from './chain/balances/read-balances.js'
import { fetchHeadersByNumber } from './chain/head/fetch-headers.js'
import { readHistory } from './chain/history/read-history.js'
import type { RpcClient } from './chain/rpc/rpc-client.js'
import { BlockUnavailableError, StateUnavailableError } from './chain/rpc/rpc-errors.js'
import type { HistorySource } from './ledger/history/history-source.js'
import type { BalanceReading } from './model/chain-event.js'
import type { Logger } from './model/logger.js'

/** The past of a chain as its endpoints serve it. */
export function bindHistorySource(client: RpcClient, logger: Logger): HistorySource {
  return {
    async header(number) {
      const [header] = await fetchHeadersByNumber(client, number, 1)
      if (header === undefined) throw new BlockUnavailableError(`no endpoint has block ${number}`)
      return header
    },
    async balancesAt(block, positions) {
      try {
        return await readBalances(client, block, positions, { logger })
      } catch (error) {
        if (!(error instanceof StateUnavailableError)) throw error
        const reason = `no endpoint has the state of block ${block.number} any more`
        return positions.map(({ chainId, token, solver }): BalanceReading => {
          return { kind: 'failed', position: { chainId, token, solver }, reason }
        })
      }
    },
    search: (search) => readHistory(client, { ...search, logger }),
  }
}
