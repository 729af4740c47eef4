// Loaded into the service before anything else: on SIGUSR2 its Socket.IO server disconnects every client, as an operator's
// command or another library in the process could.
import { Server } from 'socket.io'

const { attach } = Server.prototype

Server.prototype.attach = function (...args) {
  process.on('SIGUSR2', () => this.disconnectSockets(true))
  return attach.apply(this, args)
}
