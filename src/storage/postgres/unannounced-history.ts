import type { Position } from '../../model/position.js'
import type { BlockSpan, UnannouncedHistory } from '../mongodb/announced-coverage.js'
import { toBytes, tokenToBytes } from './bytes.js'
import type { Queryable } from './database.js'

interface SpanRow {
  readonly place: string
  readonly from_number: string
  readonly to_number: string
}

/** The pieces of history whose announcement is still to come. */
export class PostgresUnannouncedHistory implements UnannouncedHistory {
  readonly #database: Queryable

  constructor(database: Queryable) {
    this.#database = database
  }

  async unannounced(positions: readonly Position[]): Promise<readonly (readonly BlockSpan[])[]> {
    const rows = await this.#database.query<SpanRow>({
      name: 'unannounced-history',
      text: `
        select place, from_number, to_number
        from unnest($1::bigint[], $2::bytea[], $3::bytea[]) with ordinality as wanted (chain_id, token, solver, place)
        join tidemark.position using (chain_id, token, solver)
        join tidemark.history_announcement on position_id = position.id`,
      values: [
        positions.map(({ chainId }) => chainId),
        positions.map(({ token }) => tokenToBytes(token)),
        positions.map(({ solver }) => toBytes(solver)),
      ],
    })
    return positions.map((_position, index) =>
      rows
        .filter(({ place }) => Number(place) === index + 1)
        .map((row) => ({ from: BigInt(row.from_number), to: BigInt(row.to_number) })),
    )
  }
}
