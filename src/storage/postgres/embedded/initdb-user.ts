import { readFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import type { ServerUser } from './server-user.js'

/** How initdb is run: as whom, and through which command. */
export interface InitdbUser {
  readonly user: ServerUser
  /** Comes before the program on the command line. */
  readonly prefix: readonly string[]
}

interface Account {
  readonly uid: number
  readonly gid: number
}

/**
 * initdb, unlike the server, refuses a uid without a name. Root then lends it any uid that has one (the files change hands
 * afterwards); an ordinary user appears as such a uid in a user namespace, where the system allows that. No account is made.
 */
export function chooseInitdbUser(user: ServerUser): InitdbUser {
  const accounts = readAccounts()
  const [named] = accounts
  if (named === undefined) return { user, prefix: [] }
  if (user.uid !== undefined) {
    return { user: accounts.some((account) => account.uid === user.uid) ? user : named, prefix: [] }
  }
  if (process.platform !== 'linux' || hasName()) return { user, prefix: [] }
  return { user, prefix: ['unshare', '--user', `--map-user=${named.uid}`, `--map-group=${named.gid}`, '--'] }
}

function hasName(): boolean {
  try {
    userInfo()
    return true
  } catch {
    return false
  }
}

function readAccounts(): Account[] {
  try {
    return parseAccounts(readFileSync('/etc/passwd', 'utf8'))
  } catch {
    return []
  }
}

/** The accounts of a passwd file other than root's. */
export function parseAccounts(text: string): Account[] {
  return text
    .split('\n')
    .map((line) => line.split(':'))
    .filter(([, , uid, gid]) => /^[1-9]\d*$/.test(uid ?? '') && /^\d+$/.test(gid ?? ''))
    .map(([, , uid, gid]) => ({ uid: Number(uid), gid: Number(gid) }))
}
