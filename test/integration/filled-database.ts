import pg from 'pg'

import type { TestDatabase } from '../support/test-database.js'

type Address = TestDatabase['address']

/** Runs statements on a connection of its own. */
export async function onDatabase<Result>(
  address: Address | string,
  work: (client: pg.Client) => Promise<Result>,
): Promise<Result> {
  const client = new pg.Client(typeof address === 'string' ? { connectionString: address } : address)
  client.on('error', () => undefined)
  await client.connect()
  try {
    await client.query("set timezone = 'UTC'")
    return await work(client)
  } finally {
    await client.end()
  }
}

/** Every table of the schema but the migrations' own. */
export async function tableNames(client: pg.Client): Promise<readonly string[]> {
  const { rows } = await client.query<{ name: string }>(
    `select table_name as name from information_schema.tables
     where table_schema = 'tidemark' and table_type = 'BASE TABLE' and table_name <> 'migration' order by 1`,
  )
  return rows.map(({ name }) => name)
}

/** All rows of all tables as text, in an order that is the same for the same rows. */
export async function allRows(client: pg.Client): Promise<Record<string, readonly string[]>> {
  const tables: Record<string, readonly string[]> = {}
  for (const name of await tableNames(client)) {
    const { rows } = await client.query<{ row: string }>(
      `select all_rows::text as row from tidemark."${name}" as all_rows order by 1`,
    )
    tables[name] = rows.map(({ row }) => row)
  }
  return tables
}

/** A few rows in every table, with all that text, numbers and bytes can be; `records` of them in the history. */
export async function fill(client: pg.Client, records: number): Promise<void> {
  await client.query(knownTables)
  await client.query(
    `insert into tidemark.balance_record
       (position_id, block_number, block_hash, timestamp, balance, previous_balance, transaction_hashes, cause, unexplained)
     select 1 + n % 3, n, decode(lpad(to_hex(n), 64, '0'), 'hex'), timestamptz '2026-01-01' + n * interval '12 s',
            n * 10::numeric ^ 60, case when n < 3 then null else (n - 3) * 10::numeric ^ 60 end,
            case n % 3 when 0 then '{}'::bytea[] else array[decode(md5(n::text) || md5('x' || n), 'hex')] end,
            case when n < 3 then null else 'transfer' end, -n
     from generate_series(0, $1::integer - 1) as n`,
    [records],
  )
  await client.query(
    `insert into tidemark.event (seq, type, payload)
     select n, 'watch-list.changed', json_build_object('reason', 'Grüße "\\' || n) from generate_series(1, 50) as n`,
  )
  await client.query(`update tidemark.event_log set seq = 50, snapshots = 1`)
  for (const name of await tableNames(client)) {
    const { rows } = await client.query(`select from tidemark."${name}" limit 1`)
    if (rows.length === 0) await fillUnknown(client, name)
  }
}

const knownTables = `
  insert into tidemark.chain (chain_id, name, genesis_hash, cursor_number, cursor_hash, cursor_timestamp, rewrites)
  values (1, 'ethereum', decode(repeat('ab', 32), 'hex'), 9, decode(repeat('cd', 32), 'hex'), now(), 3),
         (10, E'tab\\t line\\n back\\\\ null \\\\N end', null, null, null, null, 0);
  insert into tidemark.block values (1, 9, decode(repeat('cd', 32), 'hex'), decode(repeat('ef', 32), 'hex'), now());
  insert into tidemark.solver (address, label, in_config, at_runtime)
  values (decode(repeat('01', 20), 'hex'), 'höt "wallet"', true, false), (decode(repeat('02', 20), 'hex'), null, false, true);
  insert into tidemark.token (chain_id, address, in_config, at_runtime)
  values (1, decode(repeat('03', 20), 'hex'), true, true);
  insert into tidemark.token_metadata (chain_id, token, decimals, symbol, name)
  values (1, '', 18, 'ETH', ''), (1, decode(repeat('03', 20), 'hex'), null, E'\\u202e evil', E'a\\r\\nb');
  insert into tidemark.position (chain_id, token, solver, active, balance, record_number)
  select 1, case n when 1 then ''::bytea else decode(repeat('0' || n, 20), 'hex') end, decode(repeat('01', 20), 'hex'),
         n <> 2, n * 10::numeric ^ 60, n
  from generate_series(1, 3) as n;
  insert into tidemark.orphaned_record
    (position_id, block_number, block_hash, timestamp, balance, transaction_hashes, ancestor_number, ancestor_hash)
  values (1, 8, decode(repeat('aa', 32), 'hex'), now(), 5, '{}', 7, decode(repeat('bb', 32), 'hex'));
  insert into tidemark.coverage values (1, 0, 5, 'sampled'), (1, 6, null, 'exact');
  insert into tidemark.record_correction (position_id, block_number, block_hash, stored, found, reason, note)
  values (2, 4, decode(repeat('aa', 32), 'hex'), null, 7, 'missing', 'found by hand');
  insert into tidemark.history_announcement values (2, 'backfill', 0, 4, 'exact', 1, 0);
  insert into tidemark.api_key (name, scopes, secret_sha256)
  values ('bot', array['read', 'write'], decode(repeat('11', 32), 'hex'));
  insert into tidemark."BalanceSnapshot" (seq, id, ts, pid, onchain, onsite, idempotency_key, body_hash)
  values (50, gen_random_uuid(), now(), 7, '{"rlb": 1.50}', '{ "usd":2e0}', 'k', '\\x00ff');
  update tidemark.snapshot_upkeep set rolled_up_seq = 50;
  insert into tidemark.snapshot_rollup values
    ('onchain', 'rlb', 1, now(), 1, '{1,50,1.5}', '{1,50,1.5}', '{1.5,1,50}', '{1.5,-1,-50}');
  insert into tidemark.snapshot_count values (60, now(), 1);
`

/** A row for a table that this fixture knows nothing of: any value of the type of each column. */
async function fillUnknown(client: pg.Client, name: string): Promise<void> {
  const { rows } = await client.query<{ column: string; type: string }>(
    `select column_name as column, udt_name as type from information_schema.columns
     where table_schema = 'tidemark' and table_name = $1 and is_generated = 'NEVER' and is_identity = 'NO'`,
    [name],
  )
  const columns = rows.map(({ column }) => `"${column}"`).join(', ')
  const values = rows.map(({ column, type }) => anyValue[type] ?? `(${column}: no value for ${type})`).join(', ')
  await client.query(`insert into tidemark."${name}" (${columns}) values (${values})`)
}

const anyValue: Readonly<Record<string, string>> = {
  bool: 'true',
  bytea: "decode(repeat('01', 32), 'hex')",
  int2: '1',
  int4: '1',
  int8: '1',
  json: "'{}'",
  jsonb: "'{}'",
  numeric: '1',
  text: "'exact'",
  timestamptz: 'now()',
  uuid: 'gen_random_uuid()',
}
