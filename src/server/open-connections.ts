import type { Server } from 'node:http'
import type { Socket } from 'node:net'

/** Every open TCP connection of a server, upgraded ones included, so that closing can be bounded in time. */
export class OpenConnections {
  readonly #sockets = new Set<Socket>()

  constructor(server: Server) {
    server.on('connection', (socket: Socket) => {
      this.#sockets.add(socket)
      socket.once('close', () => this.#sockets.delete(socket))
    })
  }

  /** Cuts what is still open. */
  destroy(): void {
    for (const socket of this.#sockets) socket.destroy()
  }
}
