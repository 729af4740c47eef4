import { onePage } from '../../api/page.js'
import { RequestError } from '../../api/request-error.js'
import {
  addSolver,
  addTokens,
  listSolvers,
  listTokens,
  removeSolver,
  removeToken,
} from '../../api/watch-list-routes.js'
import { encodeSolver, encodeWatchedToken } from '../../api/watch-list-wire.js'
import type { BalanceManager } from '../../index.js'
import type { RouteRegistrar } from '../http/register-route.js'

type WatchList = Pick<
  BalanceManager,
  | 'solvers'
  | 'addSolverToMonitor'
  | 'removeSolverFromMonitor'
  | 'tokens'
  | 'addTokensToMonitor'
  | 'removeTokensFromMonitor'
>

export function addWatchListRoutes(registrar: RouteRegistrar, manager: WatchList): void {
  addSolverRoutes(registrar, manager)
  addTokenRoutes(registrar, manager)
}

function addSolverRoutes(registrar: RouteRegistrar, manager: WatchList): void {
  registrar.add(listSolvers, async () => onePage((await manager.solvers()).map(encodeSolver)))

  registrar.add(addSolver, async ({ body }) => {
    const options = body.label === undefined ? {} : { label: body.label }
    return encodeSolver(await manager.addSolverToMonitor(body.address, options))
  })

  registrar.add(removeSolver, async ({ params }) => {
    const result = await manager.removeSolverFromMonitor(params.address)
    if (result === 'unknown') throw new RequestError('unknown_solver', 'this solver is not watched')
    if (result === 'configured') throw configured('solver')
  })
}

function addTokenRoutes(registrar: RouteRegistrar, manager: WatchList): void {
  registrar.add(listTokens, async ({ params }) => {
    const tokens = await manager.tokens(params.chainId)
    if (tokens === null) throw new RequestError('unknown_chain', `chain ${params.chainId} is not configured`)
    return onePage(tokens.map(encodeWatchedToken))
  })

  registrar.add(addTokens, async ({ params, body }) => {
    const tokens = await manager.addTokensToMonitor(params.chainId, body.tokens)
    return onePage(tokens.map(encodeWatchedToken))
  })

  registrar.add(removeToken, async ({ params }) => {
    const result = await manager.removeTokensFromMonitor(params.chainId, params.token)
    if (result === 'unknown') throw new RequestError('unknown_token', 'this token is not watched on this chain')
    if (result === 'configured') throw configured('token')
  })
}

function configured(what: string): RequestError {
  return new RequestError('configured', `this ${what} stands in the configuration and can only be removed there`)
}
