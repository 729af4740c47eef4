import { Controller, Get, Inject } from '@nestjs/common'
import { HealthCheck, HealthCheckService } from '@nestjs/terminus'
import type { HealthCheckResult } from '@nestjs/terminus'
import { BalanceManagerHealthIndicator } from 'tidemark/nestjs'

@Controller('health')
export class HealthController {
  readonly #health: HealthCheckService
  readonly #balances: BalanceManagerHealthIndicator

  constructor(
    @Inject(HealthCheckService) health: HealthCheckService,
    @Inject(BalanceManagerHealthIndicator) balances: BalanceManagerHealthIndicator,
  ) {
    this.#health = health
    this.#balances = balances
  }

  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.#health.check([() => this.#balances.isHealthy()])
  }
}
