import { chownSync, lchownSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** Whom the server runs as: a uid and gid to change to, or nothing for an ordinary user. */
export interface ServerUser {
  readonly uid?: number | undefined
  readonly gid?: number | undefined
}

// The conventional "nobody". The number is used as it is: no account has to exist, and none is ever created.
const unprivilegedId = 65_534

/**
 * PostgreSQL refuses to run as root, so root's server runs as an unprivileged uid; one that already owns the cluster keeps
 * it, so that a directory made by an ordinary user stays usable for that user.
 */
export function chooseServerUser(clusterDir: string): ServerUser {
  if (process.getuid?.() !== 0) return {}
  const cluster = statSync(clusterDir, { throwIfNoEntry: false })
  if (cluster !== undefined && cluster.uid !== 0) return { uid: cluster.uid, gid: cluster.gid }
  return { uid: unprivilegedId, gid: unprivilegedId }
}

/** Gives one file or directory to the server's user; nothing happens for an ordinary user. */
export function giveTo(path: string, user: ServerUser): void {
  if (user.uid !== undefined && user.gid !== undefined) chownSync(path, user.uid, user.gid)
}

/** Gives a whole tree to the server's user, its root last, so that an interrupted change is seen and done again. */
export function giveTreeTo(path: string, user: ServerUser): void {
  if (user.uid === undefined || user.gid === undefined || statSync(path).uid === user.uid) return
  for (const entry of readdirSync(path, { withFileTypes: true })) {
    const child = join(path, entry.name)
    if (entry.isDirectory()) giveTreeTo(child, user)
    else lchownSync(child, user.uid, user.gid)
  }
  chownSync(path, user.uid, user.gid)
}

/** True when the server's user may enter the directory by its path, judged by the mode bits of it and its ancestors. */
export function canEnter(path: string, user: ServerUser): boolean {
  if (user.uid === undefined) return true
  const { mode, uid, gid } = statSync(path)
  const bit = uid === user.uid ? 0o100 : gid === user.gid ? 0o010 : 0o001
  if ((mode & bit) === 0) return false
  const parent = dirname(path)
  return parent === path || canEnter(parent, user)
}
