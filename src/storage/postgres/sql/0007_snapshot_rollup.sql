-- What reading at depth needs: reported amounts and numbers of snapshots summed up by minute, by ten minutes and by hour, so that neither a
-- chart nor a total has to look at every row. A background step moves rows into the sums, in the order of seq.

-- Everything up to this seq is in the sums; what came later is read from the rows. Whoever changes sums, or deletes rows
-- that are in them, holds this row locked.
create table tidemark.snapshot_upkeep (
  singleton boolean primary key default true check (singleton),
  rolled_up_seq bigint not null default 0
);

insert into tidemark.snapshot_upkeep default values;

-- One asset of one book in one minute, ten minutes or hour (in UTC). Each extreme is kept with where it came from, in an order of
-- parts that makes merging a comparison: the lesser of two `first` is the first of both, and so on. Times are
-- milliseconds since 1970. Of equal amounts the earliest counts.
create table tidemark.snapshot_rollup (
  book text collate "C" not null check (book in ('onchain', 'onsite')),
  asset text collate "C" not null,
  width_minutes smallint not null check (width_minutes in (1, 10, 60)),
  start timestamptz not null,
  count bigint not null,
  -- time, seq, amount
  first numeric[] not null,
  last numeric[] not null,
  -- amount, time, seq
  lowest numeric[] not null,
  -- amount, -time, -seq
  highest numeric[] not null,
  primary key (book, asset, width_minutes, start)
) with (fillfactor = 80);

-- Retention takes out all sums of a time.
create index snapshot_rollup_start on tidemark.snapshot_rollup (width_minutes, start);

-- All snapshots of one minute, ten minutes or hour.
create table tidemark.snapshot_count (
  width_minutes smallint not null check (width_minutes in (1, 10, 60)),
  start timestamptz not null,
  count bigint not null,
  primary key (width_minutes, start)
) with (fillfactor = 80);

-- Those who still have to read the events after `seq`: retention leaves these in the log. Nobody is registered so far.
create table tidemark.event_consumer (
  name text primary key,
  seq bigint not null
);
