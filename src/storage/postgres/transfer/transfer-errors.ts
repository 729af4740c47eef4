import { TidemarkError } from '../../../model/errors.js'

/** The database was moved to another server, is being moved, or is not filled to the end: it must not be worked with. */
export class DatabaseMovedError extends TidemarkError {
  readonly code = 'database_moved'
}

/** Another process works with a database that has to stand still. `details` holds `{pid, holder}`, as far as known. */
export class DatabaseInUseError extends TidemarkError {
  readonly code = 'database_in_use'
}

/** There is data where an empty database is needed. `details.rows` holds the rows by table. */
export class TargetNotEmptyError extends TidemarkError {
  readonly code = 'target_not_empty'
}

/** What arrived is not what was sent. `details.tables` names the tables. */
export class TransferMismatchError extends TidemarkError {
  readonly code = 'transfer_mismatch'
}

/** A backup file is cut short, was changed, or is none. */
export class BackupDamagedError extends TidemarkError {
  readonly code = 'backup_damaged'
}

/** A backup file that this version cannot read, because a newer one made it for example. */
export class BackupUnsupportedError extends TidemarkError {
  readonly code = 'backup_unsupported'
}
