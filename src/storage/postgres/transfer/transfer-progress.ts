/** How far a move, a backup or a restore has come. */
export interface TransferProgress {
  readonly step: 'copying' | 'checking'
  readonly table: string
  /** Rows. */
  readonly done: bigint
  readonly total: bigint
}
