import { openApiKeys } from '../index.js'
import type { ApiKeyScope, Config, StoredApiKey } from '../index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { loadSettings } from './load-settings.js'
import type { SettingsOptions } from './load-settings.js'

export interface KeysOptions extends SettingsOptions {
  readonly json?: boolean | undefined
}

export interface AddKeyOptions extends KeysOptions {
  readonly scope: readonly ApiKeyScope[]
}

/** `tidemark keys add`: makes a key, and shows its secret once. */
export async function addKey(name: string, options: AddKeyOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  await using keys = await openApiKeys(config, logger)
  const { key, secret } = await keys.add({ name, scopes: options.scope })
  if (options.json === true) console.log(JSON.stringify({ ...toJson(key), secret }))
  else console.log(secret)
  console.error(
    `Key ${key.name} may ${key.scopes.join(' and ')}. Its secret is shown this once and kept nowhere: store it now.\n` +
      'Running services take it within seconds: as "Authorization: Bearer <secret>", or as auth.token of a Socket.IO client.',
  )
  warnOfSameName(key, config)
  return exitCodes.ok
}

/** `tidemark keys list`: every key, revoked ones too. */
export async function listKeys(options: KeysOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  await using keys = await openApiKeys(config, logger)
  const stored = await keys.list()
  if (options.json === true) console.log(JSON.stringify(stored.map(toJson)))
  else for (const line of tableOf(stored)) console.log(line)
  if (stored.length === 0)
    console.error('There are no keys in the database. Add one: tidemark keys add <name> --scope write')
  if (config.apiKeys.length > 0) {
    console.error(
      `API_KEYS has besides: ${config.apiKeys.map(({ name, scopes }) => `${name} (${scopes.at(-1)})`).join(', ')}`,
    )
  }
  return exitCodes.ok
}

/** `tidemark keys revoke`: ends a key for good. */
export async function revokeKey(nameOrId: string, options: KeysOptions): Promise<ExitCode> {
  const { config, logger } = await loadSettings({ logLevel: 'warn', ...options })
  await using keys = await openApiKeys(config, logger)
  const revoked = await keys.revoke(nameOrId)
  if (revoked === null) {
    console.error(
      config.apiKeys.some(({ name }) => name === nameOrId)
        ? `${nameOrId} stands in API_KEYS: take it out there, and start the service again.`
        : `Expected the name or the id of a key in force, got ${JSON.stringify(nameOrId.slice(0, 64))}. tidemark keys list shows them.`,
    )
    return exitCodes.usage
  }
  if (options.json === true) console.log(JSON.stringify(toJson(revoked)))
  console.error(`Key ${revoked.name} is revoked. Running services refuse it within seconds, and end its connections.`)
  return exitCodes.ok
}

function warnOfSameName({ name }: StoredApiKey, { apiKeys }: Config): void {
  if (!apiKeys.some((key) => key.name === name)) return
  console.error(`A key of API_KEYS is called ${name}, too: logs cannot tell the two apart.`)
}

function toJson(key: StoredApiKey): Record<string, unknown> {
  return {
    id: key.id,
    name: key.name,
    scopes: key.scopes,
    createdAt: key.createdAt.toISOString(),
    lastUsedAt: key.lastUsedAt?.toISOString() ?? null,
    revokedAt: key.revokedAt?.toISOString() ?? null,
  }
}

function tableOf(keys: readonly StoredApiKey[]): string[] {
  if (keys.length === 0) return []
  const rows = [
    ['NAME', 'SCOPES', 'CREATED', 'LAST USED', 'REVOKED', 'ID'],
    ...keys.map((key) => [
      key.name,
      key.scopes.join('+'),
      timeText(key.createdAt),
      timeText(key.lastUsedAt),
      timeText(key.revokedAt),
      key.id,
    ]),
  ]
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0))) ?? []
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  )
}

/** UTC, to the minute. */
function timeText(time: Date | null): string {
  return time === null ? '-' : time.toISOString().slice(0, 16).replace('T', ' ')
}
