/** How the text of an environment variable becomes the value that the configuration file would hold. */
export type SettingKind = 'text' | 'integer' | 'boolean'

/** How much of a refused value a message may show. */
export type SettingShown = 'text' | 'url' | 'address' | 'hidden'

/** One setting: the source of the environment's reading, of messages and of `docs/reference/configuration.md`. */
export interface Setting {
  /** The variable; for a chain's setting what follows the chain's prefix. */
  readonly variable: string
  /** The key in the configuration file; for a chain's setting the key within the chain. */
  readonly key: string
  readonly kind: SettingKind
  readonly shown: SettingShown
  /** Completes "expected ...". */
  readonly expected: string
  readonly meaning: string
  readonly defaultText: string
  readonly example: string
}

/** Values of settings that nobody made. */
export const settingDefaults = {
  dataDir: './.tidemark',
  host: '127.0.0.1',
  port: 3000,
  logLevel: 'info',
  maxConnections: 10_000,
  maxConnectionsPerAddress: 500,
  syncIntervalMs: 300_000,
  snapshotRetentionDays: 0,
  eventRetentionDays: 30,
  agreement: 1,
  mongodbBatchSize: 1000,
} as const

/** Bounds of settings, shared by the schema and the texts below. */
export const settingLimits = {
  urlsPerChain: 16,
  urlLength: 2_048,
  tokensPerChain: 10_000,
  solvers: 10_000,
  chains: 1_000,
  apiKeys: 1_000,
  corsOrigins: 1_000,
  labelLength: 64,
  symbolLength: 32,
  shortestSecret: 16,
  longestSecret: 512,
  pollIntervalMs: { min: 50, max: 3_600_000 },
  syncIntervalMs: { min: 1_000, max: 86_400_000 },
  agreement: { min: 1, max: 16 },
  maxConnections: { min: 1, max: 1_000_000 },
  snapshotsPerSecond: { min: 1, max: 1_000_000 },
  retentionDays: { min: 0, max: 36_500 },
  mongodbBatchSize: { min: 1, max: 10_000 },
} as const

const oneAddress = '0x and 40 hexadecimal digits'

/** Settings of one chain; each variable is the chain's prefix, `_` and the name here. */
export const chainSettings: readonly Setting[] = [
  {
    variable: 'RPC_URL',
    key: 'rpcUrl',
    kind: 'text',
    shown: 'url',
    expected: `1 to ${settingLimits.urlsPerChain} URLs with http:// or https://, separated by commas`,
    meaning: 'JSON-RPC endpoints over HTTP, in order of preference. A chain is followed when this is set.',
    defaultText: 'none: the chain is not followed',
    example: 'https://eth.llamarpc.com',
  },
  {
    variable: 'WS_URL',
    key: 'wsUrl',
    kind: 'text',
    shown: 'url',
    expected: `up to ${settingLimits.urlsPerChain} URLs with ws:// or wss://, separated by commas`,
    meaning: 'WebSocket endpoints, in order of preference. They announce new blocks; without them blocks are polled.',
    defaultText: 'none',
    example: 'wss://eth.llamarpc.com',
  },
  {
    variable: 'TOKENS',
    key: 'tokens',
    kind: 'text',
    shown: 'address',
    expected: `up to ${settingLimits.tokensPerChain} token contract addresses (${oneAddress}), separated by commas`,
    meaning: 'ERC-20 contracts whose balances are watched. The native currency is always watched.',
    defaultText: 'none',
    example: '0xa0b86991c6218b36c1d19d4a2e9eb0ce3606eb48',
  },
  {
    variable: 'NAME',
    key: 'name',
    kind: 'text',
    shown: 'text',
    expected: `1 to ${settingLimits.labelLength} printable characters`,
    meaning: 'Name of the chain on screens.',
    defaultText: "the registry's name, else `Chain <id>`",
    example: 'Our testnet',
  },
  {
    variable: 'NATIVE_SYMBOL',
    key: 'nativeSymbol',
    kind: 'text',
    shown: 'text',
    expected: `1 to ${settingLimits.symbolLength} printable characters`,
    meaning: 'Symbol of the native currency.',
    defaultText: "the registry's symbol, else none",
    example: 'ETH',
  },
  {
    variable: 'POLL_INTERVAL_MS',
    key: 'pollIntervalMs',
    kind: 'integer',
    shown: 'text',
    expected: rangeText('milliseconds', settingLimits.pollIntervalMs),
    meaning: 'Milliseconds between two looks for a new block.',
    defaultText: "as the chain's block time suggests",
    example: '1000',
  },
  {
    variable: 'SYNC_INTERVAL_MS',
    key: 'syncIntervalMs',
    kind: 'integer',
    shown: 'text',
    expected: rangeText('milliseconds', settingLimits.syncIntervalMs),
    meaning: 'Milliseconds between two full comparisons of all balances with the chain.',
    defaultText: String(settingDefaults.syncIntervalMs),
    example: '120000',
  },
  {
    variable: 'AGREEMENT',
    key: 'agreement',
    kind: 'integer',
    shown: 'text',
    expected: `an integer from ${settingLimits.agreement.min} to ${settingLimits.agreement.max}, at most the number of URLs in \`RPC_URL\``,
    meaning: 'HTTP endpoints that must show the same block hash before a new block counts.',
    defaultText: String(settingDefaults.agreement),
    example: '2',
  },
]

/** Settings of the whole process. */
export const processSettings: readonly Setting[] = [
  {
    variable: 'SOLVER_ADDRESSES',
    key: 'solvers',
    kind: 'text',
    shown: 'address',
    expected: `up to ${settingLimits.solvers} wallet addresses (${oneAddress}) or label=address, separated by commas`,
    meaning: 'Wallets to watch on every chain, each with an optional label.',
    defaultText: 'none',
    example: 'hot-1=0x742d35cc8ebb5295b999c084b9dd5bf7a93f6c4b',
  },
  {
    variable: 'DATABASE_URL',
    key: 'databaseUrl',
    kind: 'text',
    shown: 'url',
    expected: 'a URL with postgres:// or postgresql://',
    meaning: 'PostgreSQL server that keeps the data.',
    defaultText: 'an embedded PostgreSQL in `TIDEMARK_DATA_DIR`',
    example: 'postgresql://tidemark:secret@db.example.com:5432/tidemark',
  },
  {
    variable: 'MONGODB_URL',
    key: 'mongodbUrl',
    kind: 'text',
    shown: 'url',
    expected: 'an address with mongodb:// or mongodb+srv://',
    meaning:
      'MongoDB that keeps every balance record as well, in the database that the path names (`tidemark` when it names none). Needs the package `mongodb`.',
    defaultText: 'none',
    example: 'mongodb://mongo.example.com:27017/tidemark',
  },
  {
    variable: 'MONGODB_BATCH_SIZE',
    key: 'mongodbBatchSize',
    kind: 'integer',
    shown: 'text',
    expected: plainRangeText(settingLimits.mongodbBatchSize),
    meaning:
      'Documents of one request to MongoDB. Servers that only speak its protocol may need a smaller one: FerretDB 1 takes 50.',
    defaultText: String(settingDefaults.mongodbBatchSize),
    example: '50',
  },
  {
    variable: 'TIDEMARK_DATA_DIR',
    key: 'dataDir',
    kind: 'text',
    shown: 'text',
    expected: 'the path of a directory',
    meaning: 'Directory of the embedded database. In a configuration file, relative to that file.',
    defaultText: settingDefaults.dataDir,
    example: '/var/lib/tidemark',
  },
  {
    variable: 'HOST',
    key: 'host',
    kind: 'text',
    shown: 'text',
    expected: 'an IP address or a host name',
    meaning:
      'Address to listen on. Anything but 127.0.0.0/8, ::1 and localhost needs `API_KEYS`, a key of `tidemark keys add`, or `ALLOW_UNAUTHENTICATED=true`.',
    defaultText: settingDefaults.host,
    example: '0.0.0.0',
  },
  {
    variable: 'PORT',
    key: 'port',
    kind: 'integer',
    shown: 'text',
    expected: 'an integer from 0 to 65535',
    meaning: 'Port to listen on; 0 takes any free one.',
    defaultText: String(settingDefaults.port),
    example: '8080',
  },
  {
    variable: 'API_KEYS',
    key: 'apiKeys',
    kind: 'text',
    shown: 'hidden',
    expected:
      'entries secret, scope+scope:secret or name:scope+scope:secret, separated by commas; ' +
      'scopes are read, write and admin; names are 1 to 32 characters of A-Z a-z 0-9 _ . -; ' +
      `secrets are ${settingLimits.shortestSecret} to ${settingLimits.longestSecret} characters of A-Z a-z 0-9 _ - . ~; names and secrets differ`,
    meaning:
      'Keys that open the API. A bare secret has all scopes; `admin` includes `write`, and `write` includes `read`. Only the SHA-256 of a secret is kept.',
    defaultText: 'none',
    example: 'dashboard:read:1f0c7c5d0e9a4b62',
  },
  {
    variable: 'ALLOW_UNAUTHENTICATED',
    key: 'allowUnauthenticated',
    kind: 'boolean',
    shown: 'text',
    expected: 'true or false',
    meaning: 'Whether everyone who reaches a `HOST` beyond this machine may use the API when there are no API keys.',
    defaultText: 'false',
    example: 'true',
  },
  {
    variable: 'PUBLIC_READ',
    key: 'publicRead',
    kind: 'boolean',
    shown: 'text',
    expected: 'true or false',
    meaning:
      'Whether everyone who reaches the service may read, and get pushed events, without a key. Writing needs a key as before.',
    defaultText: 'false',
    example: 'true',
  },
  {
    variable: 'CORS_ORIGINS',
    key: 'corsOrigins',
    kind: 'text',
    shown: 'url',
    expected: 'origins such as https://app.example.com, separated by commas',
    meaning: 'Web origins, besides our own, that may call the API and open a socket.',
    defaultText: 'none',
    example: 'https://ops.example.com',
  },
  {
    variable: 'MAX_CONNECTIONS',
    key: 'maxConnections',
    kind: 'integer',
    shown: 'text',
    expected: plainRangeText(settingLimits.maxConnections),
    meaning: 'Socket.IO connections at a time. One API key may hold four fifths of them.',
    defaultText: String(settingDefaults.maxConnections),
    example: '20000',
  },
  {
    variable: 'MAX_CONNECTIONS_PER_ADDRESS',
    key: 'maxConnectionsPerAddress',
    kind: 'integer',
    shown: 'text',
    expected: plainRangeText(settingLimits.maxConnections),
    meaning:
      'Socket.IO connections at a time from one address (of IPv6, one /64 network). Loopback addresses do not count. Headers such as `X-Forwarded-For` are not believed.',
    defaultText: String(settingDefaults.maxConnectionsPerAddress),
    example: '2000',
  },
  {
    variable: 'SNAPSHOTS_PER_SECOND',
    key: 'snapshotsPerSecond',
    kind: 'integer',
    shown: 'text',
    expected: plainRangeText(settingLimits.snapshotsPerSecond),
    meaning:
      'Snapshots a second of one API key, and of one address beyond this machine, over REST and Socket.IO together; without keys, of each connection from this machine. Twice as many may come at once.',
    defaultText: '1000; 5000 from this machine without keys',
    example: '2500',
  },
  {
    variable: 'SNAPSHOT_RETENTION_DAYS',
    key: 'snapshotRetentionDays',
    kind: 'integer',
    shown: 'text',
    expected: rangeText('days', settingLimits.retentionDays),
    meaning:
      'Days for which snapshots are kept, by their `ts`; 0 keeps them for ever. A snapshot stays at least as long as its event.',
    defaultText: `${settingDefaults.snapshotRetentionDays}: for ever`,
    example: '365',
  },
  {
    variable: 'EVENT_RETENTION_DAYS',
    key: 'eventRetentionDays',
    kind: 'integer',
    shown: 'text',
    expected: rangeText('days', settingLimits.retentionDays),
    meaning:
      'Days for which the event log is kept, out of which clients are sent what they missed; 0 keeps it for ever. Balances and their history stay.',
    defaultText: String(settingDefaults.eventRetentionDays),
    example: '90',
  },
  {
    variable: 'LOG_LEVEL',
    key: 'logLevel',
    kind: 'text',
    shown: 'text',
    expected: 'trace, debug, info, warn, error, fatal or silent',
    meaning: 'The least severe line that is logged.',
    defaultText: settingDefaults.logLevel,
    example: 'debug',
  },
]

function plainRangeText({ min, max }: { min: number; max: number }): string {
  return `an integer from ${min} to ${max}`
}

function rangeText(unit: string, { min, max }: { min: number; max: number }): string {
  return `an integer from ${min} to ${max}, in ${unit}`
}
