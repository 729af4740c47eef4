import { Controller, Get, Inject, NotFoundException, Param, Post, Query } from '@nestjs/common'
import { BalanceManagerService } from 'tidemark/nestjs'

import { BalanceChanges } from './balance-changes.js'
import { toJson } from './to-json.js'

@Controller()
export class BalancesController {
  readonly #balanceManager: BalanceManagerService
  readonly #changes: BalanceChanges

  // With `emitDecoratorMetadata` the types alone do, as in the CommonJS twin of this application.
  constructor(
    @Inject(BalanceManagerService) balanceManager: BalanceManagerService,
    @Inject(BalanceChanges) changes: BalanceChanges,
  ) {
    this.#balanceManager = balanceManager
    this.#changes = changes
  }

  @Get('balances/:chainId/:token/:solver')
  async balance(
    @Param('chainId') chainId: string,
    @Param('token') token: string,
    @Param('solver') solver: string,
  ): Promise<unknown> {
    const balance = await this.#balanceManager.getCurrentBalance(BigInt(chainId), token, solver)
    if (balance === null) throw new NotFoundException('no balance is known yet')
    return toJson(balance)
  }

  @Get('balances/:chainId/:token/:solver/history')
  async history(
    @Param('chainId') chainId: string,
    @Param('token') token: string,
    @Param('solver') solver: string,
    @Query('limit') limit = '50',
  ): Promise<unknown> {
    return toJson(await this.#balanceManager.getBalanceHistory(BigInt(chainId), token, solver, Number(limit)))
  }

  @Post('solvers/:address')
  async addSolver(@Param('address') address: string): Promise<unknown> {
    return toJson(await this.#balanceManager.addSolverToMonitor(address))
  }

  @Post('tokens/:chainId/:token')
  async addToken(@Param('chainId') chainId: string, @Param('token') token: string): Promise<unknown> {
    return toJson(await this.#balanceManager.addTokensToMonitor(BigInt(chainId), [token]))
  }

  @Get('changes')
  changes(): unknown {
    return toJson(this.#changes.all)
  }
}
