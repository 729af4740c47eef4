import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { dirname, join, resolve } from 'node:path'
import { DataDirectoryVersionError, EmbeddedPostgresStartError } from './embedded-errors.js'
import { chooseServerUser, giveTo } from './server-user.js'
import type { ServerUser } from './server-user.js'

/** A data directory, opened: it exists, and its server has a user to run as. */
export interface DataDirectory {
  /** Absolute, without symbolic links. */
  readonly path: string
  /** PostgreSQL's own directory within it. */
  readonly clusterDir: string
  /** Ten hex digits that stand for this directory in names elsewhere, whatever path it is reached by. */
  readonly hash: string
  /** The server's `cluster_name`: it stands in the command line of each of its processes, which every user may read. */
  readonly token: string
  readonly user: ServerUser
}

/** Creates what is missing of a data directory and gives it, but never its parents, to the server's user. */
export function openDataDirectory(path: string): DataDirectory {
  try {
    const wanted = resolve(path)
    mkdirSync(dirname(wanted), { recursive: true })
    mkdirSync(wanted, { recursive: true, mode: 0o700 })
    const real = realpathSync(wanted)
    const { dev, ino, uid } = statSync(real)
    const clusterDir = join(real, 'postgres')
    const user = chooseServerUser(clusterDir)
    checkClusterOwner(clusterDir, user)
    if (uid === 0) giveTo(real, user)
    const hash = createHash('sha256').update(`${dev}:${ino}`).digest('hex').slice(0, 10)
    return { path: real, clusterDir, hash, token: `tidemark-${hash}`, user }
  } catch (cause) {
    if (cause instanceof EmbeddedPostgresStartError) throw cause
    throw new EmbeddedPostgresStartError(`expected a directory that can be written at ${path}, got an error`, {
      cause,
      hint: 'Let TIDEMARK_DATA_DIR name a directory on a local disk that this user owns.',
      details: { dataDir: path },
    })
  }
}

/** Refuses a cluster that another user owns before PostgreSQL does so with a message that names no way out. */
function checkClusterOwner(clusterDir: string, user: ServerUser): void {
  const cluster = statSync(clusterDir, { throwIfNoEntry: false })
  const ownUid = process.getuid?.()
  if (cluster === undefined || user.uid !== undefined || ownUid === undefined || cluster.uid === ownUid) return
  throw new EmbeddedPostgresStartError(
    `expected a data directory owned by uid ${ownUid}, got one owned by uid ${cluster.uid}`,
    {
      hint: 'Start as root or as the owner, or let TIDEMARK_DATA_DIR name a directory of your own.',
      details: { dataDir: dirname(clusterDir), ownerUid: cluster.uid },
    },
  )
}

/** Compares the major version that wrote the cluster with that of the binaries; touches nothing. */
export function checkClusterVersion(directory: DataDirectory, expectedMajor: string): void {
  const found = readMajorVersion(directory.clusterDir)
  if (found === null || found === expectedMajor) return
  throw new DataDirectoryVersionError(
    `expected a data directory of PostgreSQL ${expectedMajor}, got one of PostgreSQL ${found} in ${directory.path}`,
    {
      hint:
        `Go back to the Tidemark version that carried PostgreSQL ${found} and move the data to a server with DATABASE_URL, ` +
        'or convert the directory with pg_upgrade, or let TIDEMARK_DATA_DIR name a new directory. Nothing was changed.',
      details: { found, expected: expectedMajor, dataDir: directory.path },
    },
  )
}

/** The content of PG_VERSION, or null where there is no cluster yet. */
function readMajorVersion(clusterDir: string): string | null {
  try {
    return readFileSync(join(clusterDir, 'PG_VERSION'), 'utf8').trim()
  } catch {
    return null
  }
}
