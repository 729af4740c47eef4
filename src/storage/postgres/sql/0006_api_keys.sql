-- API keys that were added beside those of the configuration. Only the hash of a secret is kept. A revoked key stays as
-- a row: as long as there is any, the service is not open to callers without a key.

create table tidemark.api_key (
  id uuid primary key default gen_random_uuid(),
  name text not null check (name ~ '^[A-Za-z0-9_.-]{1,32}$'),
  scopes text[] not null check (cardinality(scopes) > 0 and scopes <@ array['read', 'write', 'admin']),
  secret_sha256 bytea not null unique check (length(secret_sha256) = 32),
  created_at timestamptz not null default now(),
  last_used_at timestamptz,
  revoked_at timestamptz
);

create unique index api_key_name_in_force on tidemark.api_key (name) where revoked_at is null;
