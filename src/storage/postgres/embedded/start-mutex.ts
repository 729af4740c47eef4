import { once } from 'node:events'
import { connect, createServer } from 'node:net'
import type { Server, Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import type { DataDirectory } from './data-directory.js'
import { DataDirectoryLockedError } from './embedded-errors.js'

/** Held while one process starts (not while it runs), so that two starts on one data directory come one after the other. */
export interface StartMutex {
  release(): void
}

/**
 * Takes the mutex, waiting for the process that holds it. On Linux it is a socket with an abstract name: the kernel gives
 * it to one process and takes it back when that one dies, so there is nothing stale to clean up. Elsewhere there is no such
 * thing, and two first starts within the same second are only ordered by PostgreSQL's own lock file.
 */
export async function takeStartMutex(options: {
  directory: DataDirectory
  waitMs: number
  signal: AbortSignal
}): Promise<StartMutex> {
  if (process.platform !== 'linux') return { release() {} }
  const name = `\0tidemark-start-${options.directory.hash}`
  const deadline = AbortSignal.timeout(options.waitMs)
  const signal = AbortSignal.any([options.signal, deadline])
  for (;;) {
    const mutex = await tryListen(name)
    if (mutex !== null) return mutex
    const holderPid = await waitForHolder(name, signal)
    options.signal.throwIfAborted()
    if (deadline.aborted) throw lockedByStarting(options.directory, holderPid)
  }
}

async function tryListen(name: string): Promise<StartMutex | null> {
  const waiting = new Set<Socket>()
  const server: Server = createServer((socket) => {
    waiting.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => waiting.delete(socket))
    socket.unref()
    socket.write(String(process.pid))
  })
  server.listen(name)
  try {
    await once(server, 'listening')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EADDRINUSE') return null
    throw error
  }
  server.unref()
  return {
    release() {
      server.close()
      for (const socket of waiting) socket.destroy()
    },
  }
}

/** Returns when the holder has let go or the signal has fired, with the holder's pid as far as it was told. */
async function waitForHolder(name: string, signal: AbortSignal): Promise<number | null> {
  const socket = connect(name)
  let told = ''
  socket.on('data', (chunk) => (told += chunk.toString('latin1')))
  socket.on('error', () => {})
  try {
    await once(socket, 'close', { signal })
  } catch {
    // The caller looks at the signal. A refused connection means that the holder has just let go, or has too many waiting.
    await sleep(10)
  } finally {
    socket.destroy()
  }
  return told === '' ? null : Number(told)
}

function lockedByStarting(directory: DataDirectory, pid: number | null): DataDirectoryLockedError {
  return new DataDirectoryLockedError(
    `expected the data directory ${directory.path} to be free, got one that process ${pid ?? '(unknown)'} is starting on`,
    {
      hint: 'Stop the other process, or let TIDEMARK_DATA_DIR name another directory.',
      details: { pid, dataDir: directory.path },
    },
  )
}
