import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

const run = promisify(execFile)

const DRIVE_MIB = 420
const DISK_MIB = 340
const UNMOUNT_ATTEMPTS = 5
const COPY_ATTEMPTS = 10

/** `lying` is a disk that is never told to empty its cache, although its user asked for it. */
export type DiskKind = 'honest' | 'lying'

/**
 * A disk whose power can be cut.
 *
 * Two file systems on loop devices, one in a file of the other. The outer one is the drive: its memory is the drive's
 * cache, its file is what the drive holds for good. What a program writes to the inner one is lost by a cut until the
 * inner one has written it out (its own memory is gone), and until it has told the drive to empty its cache (the outer's
 * memory is gone). A cut is a copy of the outer one's file, made while everybody stands still.
 */
export class StackedDisk {
  readonly #folder: string
  readonly #mounted: string[]
  /** Where programs write. */
  readonly path: string

  private constructor(folder: string, mounted: string[], path: string) {
    this.#folder = folder
    this.#mounted = mounted
    this.path = path
  }

  static async create(folder: string, kind: DiskKind): Promise<StackedDisk> {
    const mounted: string[] = []
    try {
      const drive = join(folder, 'drive.img')
      await format(drive, DRIVE_MIB)
      const outer = await mount(drive, join(folder, 'drive'), mounted)
      const image = join(outer, 'disk.img')
      await format(image, DISK_MIB)
      const path = await mount(image, join(folder, 'disk'), mounted, kind === 'lying' ? 'barrier=0' : 'barrier=1')
      await run('sync')
      return new StackedDisk(folder, mounted, path)
    } catch (error) {
      await unmountAll(mounted)
      throw error
    }
  }

  /** Puts everything that was written so far on the drive for good, also on one that lies. */
  async flush(): Promise<void> {
    for (const path of this.#mounted.toReversed()) await run('sync', ['--file-system', path])
  }

  /**
   * What the drive holds at this moment, as an image; nobody may write meanwhile.
   *
   * @throws when the drive did not stand still for as long as the copy took.
   */
  async cut(): Promise<string> {
    const [drive, copy] = [join(this.#folder, 'drive.img'), join(this.#folder, 'after.img')]
    for (let attempt = 1; attempt <= COPY_ATTEMPTS; attempt += 1) {
      await run('cp', ['--sparse=always', drive, copy])
      // Equal after the copy, it was the same all the time: the kernel, too, may write at any moment.
      const same = await run('cmp', ['--silent', drive, copy]).then(
        () => true,
        () => false,
      )
      if (same) return copy
    }
    throw new Error(`the drive changed during each of ${COPY_ATTEMPTS} copies`)
  }

  /** The disk with what was there after a cut, as the kernel mends it. */
  async mountAfter(image: string): Promise<string> {
    const outer = await mount(image, join(this.#folder, 'drive-after'), this.#mounted)
    return mount(join(outer, 'disk.img'), join(this.#folder, 'disk-after'), this.#mounted)
  }

  /** Unmounts everything; the loop devices go with it. */
  close(): Promise<void> {
    return unmountAll(this.#mounted)
  }
}

/** Why there can be no such disk here; null where there can. */
export async function diskObstacle(): Promise<string | null> {
  if (process.platform !== 'linux') return 'loop devices need Linux'
  if (process.getuid?.() !== 0) return 'mounting a file system needs root'
  const folder = await mkdtemp(join(tmpdir(), 'tidemark-test-'))
  const mounted: string[] = []
  try {
    const image = join(folder, 'probe.img')
    await format(image, 8)
    await mount(image, join(folder, 'probe'), mounted)
    return null
  } catch (error) {
    return `no file system on a loop device here: ${error instanceof Error ? error.message.trim() : String(error)}`
  } finally {
    await unmountAll(mounted)
    await rm(folder, { recursive: true, force: true })
  }
}

async function format(image: string, sizeMib: number): Promise<void> {
  await run('truncate', ['-s', `${sizeMib}M`, image])
  await run('mkfs.ext4', ['-q', '-F', '-m', '0', '-E', 'lazy_itable_init=0,lazy_journal_init=0', image])
}

async function mount(image: string, path: string, mounted: string[], options = 'barrier=1'): Promise<string> {
  await mkdir(path, { recursive: true })
  // A late commit of the file system by itself: what is kept is kept because somebody asked for it.
  await run('mount', ['-t', 'ext4', '-o', `loop,commit=300,${options}`, image, path])
  mounted.push(path)
  return path
}

async function unmountAll(mounted: string[]): Promise<void> {
  for (let path = mounted.pop(); path !== undefined; path = mounted.pop()) await unmount(path)
}

async function unmount(path: string): Promise<void> {
  for (let attempt = 1; attempt <= UNMOUNT_ATTEMPTS; attempt += 1) {
    // A process that was just killed may still let go of its files.
    if (attempt > 1) await new Promise((resolve) => setTimeout(resolve, 200))
    try {
      await run('umount', [path])
      return
    } catch {
      // Tried again, in the end without waiting for those who use it.
    }
  }
  await run('umount', ['--lazy', path])
}
