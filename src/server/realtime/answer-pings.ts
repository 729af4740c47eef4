import type { Socket } from 'socket.io'

import type { PongPayload } from '../../api/socket-events.js'

/** Answers `ping` by `pong`, and by the acknowledgement callback when there is one. */
export function answerPings(socket: Socket): void {
  socket.on('ping', (...args: unknown[]) => {
    const payload: PongPayload = { timestamp: new Date().toISOString() }
    socket.emit('pong', payload)
    const last = args.at(-1)
    if (typeof last === 'function') last({ ...payload })
  })
}
