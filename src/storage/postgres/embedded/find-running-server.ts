import { openDataDirectory } from './data-directory.js'
import { findRemains } from './find-cluster-processes.js'
import { databaseName, serverUserName } from './ownership-lock.js'
import { isRuntimeDirectory } from './runtime-directory.js'

/** How to reach the server that runs on a data directory, for a guest; null when there is none. */
export function findRunningServer(
  dataDir: string,
): { readonly host: string; readonly port: number; readonly user: string; readonly database: string } | null {
  const directory = openDataDirectory(dataDir)
  const { file, postmaster } = findRemains(directory)
  // A directory of another name is not one that we made: whoever listens there is a stranger.
  if (file === null || postmaster === null || !isRuntimeDirectory(file.socketDir, directory)) return null
  return { host: file.socketDir, port: file.port, user: serverUserName, database: databaseName }
}
