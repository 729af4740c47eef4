import type { Queryable } from './database.js'

/**
 * Makes the positions what the watch list says: every solver, on every chain, for `native` and each token of the chain.
 * A position that goes keeps its history; its coverage ends at the chain's cursor.
 *
 * @returns true when a position came or went.
 */
export async function derivePositions(transaction: Queryable): Promise<boolean> {
  const started = await transaction.query({
    name: 'start-positions',
    text: `
      insert into tidemark.position (chain_id, token, solver, active)
      select chain_id, token, address, true
      from tidemark.solver
      cross join (
        select chain_id, ''::bytea as token from tidemark.chain
        union all
        select chain_id, address from tidemark.token
      ) as watched
      on conflict (chain_id, token, solver) do update
      set active = true, fresh = true, stale_reason = null
      where not position.active
      returning id`,
  })
  const stopped = await transaction.query({
    name: 'stop-positions',
    text: `
      with stopped as (
        update tidemark.position
        set active = false, stale_reason = null,
            verified_number = coalesce(verified_number, cursor_number),
            verified_hash = coalesce(verified_hash, cursor_hash),
            verified_timestamp = coalesce(verified_timestamp, cursor_timestamp)
        from tidemark.chain
        where chain.chain_id = position.chain_id and active and not (
          exists (select from tidemark.solver where address = position.solver)
          and (length(token) = 0
            or exists (select from tidemark.token as wanted
                       where wanted.chain_id = position.chain_id and wanted.address = position.token))
        )
        returning id, cursor_number
      ), closed as (
        update tidemark.coverage set to_number = greatest(cursor_number, from_number) from stopped
        where position_id = id and to_number is null
      )
      select id from stopped`,
  })
  return started.length + stopped.length > 0
}
