import type { Address } from '../../model/address.js'
import type { WatchedSolver, WatchedToken } from '../../model/watch-list.js'
import type { ConfiguredWatchList, RemovalResult, WatchListStore } from '../../ledger/watch-list-store.js'
import { appendEvents } from './append-events.js'
import { toAddress, toBytes } from './bytes.js'
import type { Database, Queryable } from './database.js'
import { derivePositions } from './derive-positions.js'

interface OriginRow {
  readonly in_config: boolean
}

type SolverRow = OriginRow & { readonly address: Buffer; readonly label: string | null }
type TokenRow = OriginRow & {
  readonly address: Buffer
  readonly decimals: number | null
  readonly symbol: string | null
  readonly name: string | null
}

/** The watch list in PostgreSQL. Each change derives the positions and appends its event in the same transaction. */
export class PostgresWatchListStore implements WatchListStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  applyConfiguration(lists: ConfiguredWatchList): Promise<void> {
    return this.#change('configuration applied', async (transaction) => {
      await upsertChains(transaction, lists)
      await configureSolvers(transaction, lists)
      await configureTokens(transaction, lists)
    })
  }

  async solvers(): Promise<readonly WatchedSolver[]> {
    const rows = await this.#database.query<SolverRow>({
      name: 'solvers',
      text: 'select address, label, in_config from tidemark.solver order by added_at, address',
    })
    return rows.map(readSolver)
  }

  async tokens(chainId: bigint): Promise<readonly WatchedToken[] | null> {
    const chains = await this.#database.query({
      name: 'chain-exists',
      text: 'select 1 from tidemark.chain where chain_id = $1',
      values: [chainId],
    })
    return chains.length === 0 ? null : selectTokens(this.#database, chainId)
  }

  async addSolver(solver: { address: Address; label?: string | null | undefined }): Promise<WatchedSolver> {
    let added: WatchedSolver | undefined
    await this.#change('solver added', async (transaction) => {
      const rows = await transaction.query<SolverRow>({
        name: 'add-solver',
        text: `
          insert into tidemark.solver (address, label, in_config, at_runtime) values ($1, $2, false, true)
          on conflict (address) do update
          set at_runtime = true, label = case when $3 then excluded.label else solver.label end
          returning address, label, in_config`,
        values: [toBytes(solver.address), solver.label ?? null, solver.label !== undefined],
      })
      added = rows.map(readSolver)[0]
    })
    if (added === undefined) throw new Error('invariant: an upsert returns its row')
    return added
  }

  async removeSolver(address: Address): Promise<RemovalResult> {
    return this.#remove('solver removed', {
      name: 'remove-solver',
      text: `
        with entry as (select in_config from tidemark.solver where address = $1),
          gone as (delete from tidemark.solver where address = $1 and not in_config)
        select in_config from entry`,
      values: [toBytes(address)],
    })
  }

  async addTokens(chainId: bigint, tokens: readonly Address[]): Promise<readonly WatchedToken[]> {
    const wanted = new Set(tokens)
    await this.#change('tokens added', async (transaction) => {
      await transaction.query({
        name: 'add-tokens',
        text: `
          insert into tidemark.token (chain_id, address, in_config, at_runtime)
          select $1, address, false, true from unnest($2::bytea[]) as entry (address)
          on conflict (chain_id, address) do update set at_runtime = true`,
        values: [chainId, [...wanted].map(toBytes)],
      })
    })
    return (await selectTokens(this.#database, chainId)).filter((token) => wanted.has(token.address))
  }

  async removeToken(chainId: bigint, token: Address): Promise<RemovalResult> {
    return this.#remove('token removed', {
      name: 'remove-token',
      text: `
        with entry as (select in_config from tidemark.token where chain_id = $1 and address = $2),
          gone as (delete from tidemark.token where chain_id = $1 and address = $2 and not in_config)
        select in_config from entry`,
      values: [chainId, toBytes(token)],
    })
  }

  async #remove(
    reason: string,
    statement: { name: string; text: string; values: readonly unknown[] },
  ): Promise<RemovalResult> {
    let result: RemovalResult = 'unknown'
    await this.#change(reason, async (transaction) => {
      const row = (await transaction.query<OriginRow>(statement))[0]
      result = row === undefined ? 'unknown' : row.in_config ? 'configured' : 'removed'
    })
    return result
  }

  /** Chain rows are locked first, as in every ledger transaction: a block and a watch-list change follow each other. */
  async #change(reason: string, work: (transaction: Queryable) => Promise<void>): Promise<void> {
    await this.#database.transaction(async (transaction) => {
      await transaction.query({
        name: 'lock-chains',
        text: 'select chain_id from tidemark.chain order by chain_id for update',
      })
      await work(transaction)
      const changed = await derivePositions(transaction)
      if (changed) await appendEvents(transaction, [{ type: 'watch-list.changed', data: { reason } }])
    })
  }
}

function originOf(row: OriginRow): 'config' | 'runtime' {
  return row.in_config ? 'config' : 'runtime'
}

function readSolver(row: SolverRow): WatchedSolver {
  return { address: toAddress(row.address), label: row.label, origin: originOf(row) }
}

async function selectTokens(database: Queryable, chainId: bigint): Promise<readonly WatchedToken[]> {
  const rows = await database.query<TokenRow>({
    name: 'tokens',
    text: `
      select address, in_config, decimals, symbol, metadata.name
      from tidemark.token
      left join tidemark.token_metadata as metadata
        on metadata.chain_id = token.chain_id and metadata.token = address
      where token.chain_id = $1
      order by added_at, address`,
    values: [chainId],
  })
  return rows.map((row) => ({
    chainId,
    address: toAddress(row.address),
    origin: originOf(row),
    decimals: row.decimals,
    symbol: row.symbol,
    name: row.name,
  }))
}

async function upsertChains(transaction: Queryable, { chains }: ConfiguredWatchList): Promise<void> {
  await transaction.query({
    name: 'configure-chains',
    text: `
      insert into tidemark.chain (chain_id, name)
      select * from unnest($1::bigint[], $2::text[])
      on conflict (chain_id) do update set name = excluded.name`,
    values: [chains.map((chain) => chain.chainId), chains.map((chain) => chain.name)],
  })
}

async function configureSolvers(transaction: Queryable, { solvers }: ConfiguredWatchList): Promise<void> {
  const addresses = solvers.map((solver) => toBytes(solver.address))
  await transaction.query({
    name: 'unconfigure-solvers',
    text: 'update tidemark.solver set in_config = false where in_config and not (address = any($1::bytea[]))',
    values: [addresses],
  })
  await transaction.query({
    name: 'drop-solvers',
    text: 'delete from tidemark.solver where not in_config and not at_runtime',
  })
  await transaction.query({
    name: 'configure-solvers',
    text: `
      insert into tidemark.solver (address, label, in_config, at_runtime)
      select address, label, true, false from unnest($1::bytea[], $2::text[]) as entry (address, label)
      on conflict (address) do update set in_config = true, label = coalesce(excluded.label, solver.label)`,
    values: [addresses, solvers.map((solver) => solver.label)],
  })
}

async function configureTokens(transaction: Queryable, { chains }: ConfiguredWatchList): Promise<void> {
  const entries = chains.flatMap((chain) => chain.tokens.map((token) => ({ chainId: chain.chainId, token })))
  const values = [entries.map((entry) => entry.chainId), entries.map((entry) => toBytes(entry.token))]
  await transaction.query({
    name: 'unconfigure-tokens',
    text: `
      update tidemark.token set in_config = false
      where in_config and (chain_id, address) not in (select * from unnest($1::bigint[], $2::bytea[]))`,
    values,
  })
  await transaction.query({
    name: 'drop-tokens',
    text: 'delete from tidemark.token where not in_config and not at_runtime',
  })
  await transaction.query({
    name: 'configure-tokens',
    text: `
      insert into tidemark.token (chain_id, address, in_config, at_runtime)
      select chain_id, address, true, false from unnest($1::bigint[], $2::bytea[]) as entry (chain_id, address)
      on conflict (chain_id, address) do update set in_config = true`,
    values,
  })
}
