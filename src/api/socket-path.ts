/** Where Socket.IO is served. */
export const SOCKET_PATH = '/api/socket.io'
