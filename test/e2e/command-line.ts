import { spawn } from 'node:child_process'
import { resolve } from 'node:path'

import { runService } from '../support/service.js'
import type { ServiceProcess } from '../support/service.js'

const cli = resolve(import.meta.dirname, '../../dist/cli/main.js')

/** How a command ended, and what it said. */
export interface CommandResult {
  readonly code: number | null
  readonly out: string
  /** Standard error. */
  readonly told: string
}

/** The built program in a folder of its own, with nothing but the given settings. */
export interface CommandLine {
  /** Runs a command to its end. */
  run(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<CommandResult>
  /** Runs a command that prints JSON, and reads it. */
  json<Answer>(args: readonly string[], env?: Readonly<Record<string, string>>): Promise<Answer>
  /** Starts a command that goes on. */
  start(args: readonly string[], env?: Readonly<Record<string, string>>): ServiceProcess
}

export function commandLine(cwd: string, settings: Readonly<Record<string, string>>): CommandLine {
  const start: CommandLine['start'] = (args, env = {}) => runService({ args, cwd, env: { ...settings, ...env } })
  const run: CommandLine['run'] = async (args, env) => {
    const process = start(args, env)
    const { code } = await process.exited()
    await outputRead(process)
    return { code, out: process.stdout(), told: process.log() }
  }
  return {
    start,
    run,
    async json<Answer>(args: readonly string[], env?: Readonly<Record<string, string>>) {
      const { code, out, told } = await run([...args, '--json'], env)
      if (code !== 0 && code !== 4) throw new Error(`${args.join(' ')} ended with code ${code}: ${told}`)
      return JSON.parse(out) as Answer
    },
  }
}

/** A process may have ended before the last it wrote was read. */
async function outputRead({ child }: ServiceProcess): Promise<void> {
  if (child.stdout?.readableEnded === true && child.stderr?.readableEnded === true) return
  await new Promise<void>((done) => child.once('close', () => done()))
}

/** Runs a command whose reader goes away after so many lines, as `head` does; how the command ended. */
export async function runIntoHead(
  args: readonly string[],
  lines: number,
  options: { readonly cwd: string; readonly env: Readonly<Record<string, string>> },
): Promise<CommandResult> {
  const child = spawn(process.execPath, [cli, ...args], {
    cwd: options.cwd,
    env: { PATH: process.env['PATH'], PORT: '0', ...options.env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let out = ''
  let told = ''
  child.stderr.on('data', (data: Buffer) => (told += data.toString()))
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString()
    if (out.split('\n').length > lines) child.stdout.destroy()
  })
  const code = await new Promise<number | null>((done) => child.on('exit', done))
  return { code, out, told }
}
