import { TidemarkError } from '../../../model/errors.js'

/** Another live process owns the data directory. `details` holds `{pid, dataDir}`. */
export class DataDirectoryLockedError extends TidemarkError {
  readonly code = 'data_directory_locked'
}

/** The embedded server cannot run here: no binaries for this platform, or they do not start on it. */
export class EmbeddedPostgresUnavailableError extends TidemarkError {
  readonly code = 'embedded_postgres_unavailable'
}

/** The embedded server was found but did not come up. */
export class EmbeddedPostgresStartError extends TidemarkError {
  readonly code = 'embedded_postgres_start_failed'
}

/** The data directory was written by another major version of PostgreSQL. `details` holds `{found, expected, dataDir}`. */
export class DataDirectoryVersionError extends TidemarkError {
  readonly code = 'data_directory_version'
}
