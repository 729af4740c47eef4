-- Pieces of history that were stored and not yet announced: one event tells of all pieces of a run.
create table tidemark.history_announcement (
  position_id bigint not null references tidemark.position,
  reason text not null,
  from_number bigint not null,
  to_number bigint not null,
  coverage text not null check (coverage in ('exact', 'sampled')),
  added bigint not null,
  removed bigint not null,
  primary key (position_id, reason)
);
