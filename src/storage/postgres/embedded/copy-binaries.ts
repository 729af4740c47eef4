import { createHash, randomBytes } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { copyFile, chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'

const copyName = 'binaries-'
const parallelCopies = 16

/**
 * Copies the server's binaries into `parent` and returns the copy's path. A complete copy of the same binaries is used
 * again; copies of others are removed.
 */
export async function copyBinaries(nativeDir: string, parent: string): Promise<string> {
  const hash = createHash('sha256')
    .update(readFileSync(join(nativeDir, 'bin', 'postgres')))
    .digest('hex')
  const name = copyName + hash.slice(0, 12)
  const target = join(parent, name)
  for (const entry of await readdir(parent)) {
    if (entry.startsWith(copyName) && entry !== name) await rm(join(parent, entry), { recursive: true, force: true })
  }
  if ((await stat(target).catch(() => null)) !== null) return target
  // Renamed when complete and on disk: a copy cut short by a crash or a power cut is never taken for a whole one.
  const partial = `${target}.${randomBytes(4).toString('hex')}`
  await mkdir(partial, { mode: 0o755 })
  await chmod(partial, 0o755)
  const files = await copyDirectories(nativeDir, partial)
  await copyFiles(files)
  await rename(partial, target)
  return target
}

interface FileToCopy {
  readonly from: string
  readonly to: string
}

/** Makes the directories and lists the files. Files for building against the libraries are left out. */
async function copyDirectories(from: string, to: string): Promise<FileToCopy[]> {
  const files: FileToCopy[] = []
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const names = { from: join(from, entry.name), to: join(to, entry.name) }
    if (entry.isDirectory() && entry.name !== 'pkgconfig') {
      await mkdir(names.to)
      await chmod(names.to, 0o755)
      files.push(...(await copyDirectories(names.from, names.to)))
    } else if (!entry.isDirectory() && !entry.name.endsWith('.a')) {
      files.push(names)
    }
  }
  return files
}

async function copyFiles(files: readonly FileToCopy[]): Promise<void> {
  const queue = files.values()
  const worker = async (): Promise<void> => {
    for (const file of queue) await copyOne(file)
  }
  await Promise.all(Array.from({ length: parallelCopies }, worker))
}

async function copyOne({ from, to }: FileToCopy): Promise<void> {
  await copyFile(from, to)
  // Readable for the server's user, who does not own it, whatever mode the original had.
  await chmod(to, ((await stat(from)).mode & 0o100) === 0 ? 0o644 : 0o755)
  const file = await open(to, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
