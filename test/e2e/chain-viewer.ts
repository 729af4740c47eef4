import { io } from 'socket.io-client'

/** One pushed event as it came. */
export interface SeenEvent {
  readonly name: string
  readonly seq: number
  readonly payload: Readonly<Record<string, unknown>>
}

/** A screen that stays open: it comes back by itself after a disconnect and asks for what it missed. */
export interface Viewer {
  readonly seen: readonly SeenEvent[]
  readonly connections: number
  /** Events that came again, or out of order, and requests to read the lists anew. */
  readonly complaints: readonly string[]
  of(name: string): readonly SeenEvent[]
  close(): void
}

/** Opens a viewer that begins at the very first event of the log. */
export function openViewer(url: string, transports: ('websocket' | 'polling')[] = ['websocket']): Viewer {
  const seen: SeenEvent[] = []
  const complaints: string[] = []
  let connections = 0
  let log: string | undefined
  let since = 0
  const socket = io(url, {
    path: '/api/socket.io',
    transports,
    reconnectionDelay: 50,
    reconnectionDelayMax: 200,
    auth: (give) => give({ since, log }),
  })
  socket.on('connected', (payload: { readonly log: string }) => {
    connections += 1
    if (log !== undefined && log !== payload.log) complaints.push(`another log: ${payload.log}`)
    log = payload.log
  })
  socket.on('resync', (payload: unknown) => complaints.push(`resync ${JSON.stringify(payload)}`))
  socket.onAny((name: string, payload: Readonly<Record<string, unknown>>) => {
    const seq = payload['seq']
    if (['connected', 'resync'].includes(name) || typeof seq !== 'number') return
    if (seq <= since) complaints.push(`${name} ${seq} came after ${since}`)
    since = seq
    seen.push({ name, seq, payload })
  })
  return {
    seen,
    complaints,
    get connections() {
      return connections
    },
    of: (name) => seen.filter((event) => event.name === name),
    close: () => void socket.close(),
  }
}
