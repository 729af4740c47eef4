/**
 * The program of the guard process: it runs anvil as its child, says anvil's pid on the first line of its output, and
 * ends it when its own standard input ends. That happens when the owner asks for it by closing the pipe, and just as
 * surely when the owner dies in any way, `kill -9` included. As anvil's parent it can never hit a reused pid. Last, it
 * removes anvil's folder.
 *
 * Run as `node -e <program> <folder> <graceMs> <binary> ...arguments`. It is text and not a module, so that it starts
 * from TypeScript sources and from the published package alike.
 */
export const anvilGuardProgram: string = `
const { spawn } = require('node:child_process')
const { rmSync, writeSync } = require('node:fs')
const [folder, graceMs, binary, ...args] = process.argv.slice(1)
const anvil = spawn(binary, args, { stdio: ['ignore', 'inherit', 'inherit'] })
const leave = (code) => {
  rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 })
  process.exit(code)
}
let stopping = false
const stop = () => {
  if (stopping) return
  stopping = true
  anvil.kill('SIGTERM')
  setTimeout(() => anvil.kill('SIGKILL'), Number(graceMs))
}
anvil.on('error', (error) => {
  writeSync(2, String(error.message) + '\\n')
  leave(127)
})
anvil.on('exit', (code) => leave(stopping ? 0 : (code ?? 1)))
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP']) process.on(signal, stop)
process.stdin.on('end', stop).on('error', stop).resume()
if (anvil.pid !== undefined) writeSync(1, 'pid ' + anvil.pid + '\\n')
`
