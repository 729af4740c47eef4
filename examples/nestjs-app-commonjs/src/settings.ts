import { Injectable, Module } from '@nestjs/common'

/** What this application is told by its environment, in names of its own. */
@Injectable()
export class Settings {
  readonly chainId = required('CHAIN_ID')
  readonly rpcUrl = required('RPC_URL').split(',')
  readonly wallets = required('WALLETS').split(',')
  readonly databaseUrl = process.env['TREASURY_DATABASE_URL']
  readonly apiPort = Number(process.env['API_PORT'] ?? 3001)
}

@Module({ providers: [Settings], exports: [Settings] })
export class SettingsModule {}

function required(name: string): string {
  const value = process.env[name]
  if (value === undefined || value === '') throw new Error(`expected the environment variable ${name}`)
  return value
}
