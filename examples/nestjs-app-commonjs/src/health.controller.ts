import { Controller, Get } from '@nestjs/common'
import { HealthCheck, HealthCheckService } from '@nestjs/terminus'
import type { HealthCheckResult } from '@nestjs/terminus'
import { BalanceManagerHealthIndicator } from 'tidemark/nestjs'

@Controller('health')
export class HealthController {
  constructor(
    private readonly health: HealthCheckService,
    private readonly balances: BalanceManagerHealthIndicator,
  ) {}

  @Get()
  @HealthCheck()
  check(): Promise<HealthCheckResult> {
    return this.health.check([() => this.balances.isHealthy()])
  }
}
