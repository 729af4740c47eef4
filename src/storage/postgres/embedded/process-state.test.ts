import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { hasProcFs, isRunning, parseProcStat, readProcess, signalProcess } from './process-state.js'
import { stopServer } from './stop-server.js'

const tail = '1 7 7 0 -1 4194560 0 0 0 0 0 0 0 0 20 0 1 0 4242 0 0'

describe('parseProcStat', () => {
  it('reads name, parent and start time, whatever the name holds', () => {
    expect(parseProcStat(`7 (a) b (c) S ${tail}`)).toEqual({ name: 'a) b (c', parentPid: 1, startTime: '4242' })
  })

  it.each(['Z', 'X'])('takes a process in state %s for gone', (state) => {
    expect(parseProcStat(`7 (postgres) ${state} ${tail}`)).toBeNull()
  })

  it('takes a cut line for gone', () => {
    expect(parseProcStat('7 (postgres) S 1 7')).toBeNull()
  })
})

describe('readProcess', () => {
  it('finds this process and no impossible one', () => {
    expect(readProcess(process.pid)?.pid).toBe(process.pid)
    for (const pid of [0, -1, 1.5, Number.NaN, 2 ** 31]) expect(readProcess(pid)).toBeNull()
  })
})

describe.skipIf(!hasProcFs)('a process with the pid of another', () => {
  it('is neither running, nor signalled, nor stopped', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    try {
      await once(child, 'spawn')
      const found = readProcess(child.pid ?? 0)
      if (found === null) throw new Error('expected the child')
      for (const other of [
        { ...found, startTime: '1' },
        { ...found, executable: '/usr/lib/postgresql/bin/postgres' },
      ]) {
        expect(isRunning(other)).toBe(false)
        expect(signalProcess(other, 'SIGKILL')).toBe(false)
        expect(await stopServer(other, { fastMs: 0, immediateMs: 0 })).toBe(true)
      }
      expect(isRunning(found)).toBe(true)
      expect(child.exitCode ?? child.signalCode).toBeNull()
    } finally {
      child.kill('SIGKILL')
    }
  })

  it('is stopped with SIGKILL when it ignores the gentler signals', async () => {
    const ignore = "process.on('SIGINT', () => {}); process.on('SIGQUIT', () => {}); setInterval(() => {}, 1000)"
    const child = spawn(process.execPath, ['-e', `${ignore}; console.log('up')`], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    const exited = once(child, 'exit')
    await once(child.stdout, 'data')
    const found = readProcess(child.pid ?? 0)
    if (found === null) throw new Error('expected the child')
    expect(await stopServer(found, { fastMs: 1, immediateMs: 1 })).toBe(true)
    await exited
    expect(child.signalCode).toBe('SIGKILL')
  })
})
