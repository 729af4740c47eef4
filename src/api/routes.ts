import { getBalance, listBalances, listCoverage, listHistory } from './balance-routes.js'
import { getBalanceSeries, getBalanceStats, listTotals, streamHistory } from './balance-time-routes.js'
import { listChains } from './chain-routes.js'
import type { Route } from './route.js'
import { getDocs, getLive, getMetrics, getOpenApi, getReady } from './service-routes.js'
import { getSnapshotSeries, listSnapshots, saveSnapshot } from './snapshot-routes.js'
import { addSolver, addTokens, listSolvers, listTokens, removeSolver, removeToken } from './watch-list-routes.js'

/** Every REST route there is. */
export const routes: readonly Route[] = [
  saveSnapshot,
  listSnapshots,
  getSnapshotSeries,
  listChains,
  listSolvers,
  addSolver,
  removeSolver,
  listTokens,
  addTokens,
  removeToken,
  listBalances,
  getBalance,
  listHistory,
  listCoverage,
  getBalanceStats,
  getBalanceSeries,
  streamHistory,
  listTotals,
  getLive,
  getReady,
  getMetrics,
  getOpenApi,
  getDocs,
]
