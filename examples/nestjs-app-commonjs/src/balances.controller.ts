import { Controller, Get, NotFoundException, Param, Post, Query } from '@nestjs/common'
import { BalanceManagerService } from 'tidemark/nestjs'

import { BalanceChanges } from './balance-changes'
import { toJson } from './to-json'

@Controller()
export class BalancesController {
  constructor(
    private readonly balanceManager: BalanceManagerService,
    private readonly balanceChanges: BalanceChanges,
  ) {}

  @Get('balances/:chainId/:token/:solver')
  async balance(
    @Param('chainId') chainId: string,
    @Param('token') token: string,
    @Param('solver') solver: string,
  ): Promise<unknown> {
    const balance = await this.balanceManager.getCurrentBalance(BigInt(chainId), token, solver)
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
    return toJson(await this.balanceManager.getBalanceHistory(BigInt(chainId), token, solver, Number(limit)))
  }

  @Post('solvers/:address')
  async addSolver(@Param('address') address: string): Promise<unknown> {
    return toJson(await this.balanceManager.addSolverToMonitor(address))
  }

  @Post('tokens/:chainId/:token')
  async addToken(@Param('chainId') chainId: string, @Param('token') token: string): Promise<unknown> {
    return toJson(await this.balanceManager.addTokensToMonitor(BigInt(chainId), [token]))
  }

  @Get('changes')
  changes(): unknown {
    return toJson(this.balanceChanges.all)
  }
}
