import { ConfigurationError } from '../../index.js'

/** What the command line says. */
export interface DemoOptions {
  readonly port: string
  /** Seconds. */
  readonly duration?: string | undefined
}

export interface DemoSettings {
  /** 0 takes any free port. */
  readonly port: number
  /** Null: until a signal. */
  readonly durationMs: number | null
}

const longestDurationSeconds = 86_400

/** Checks the options of `tidemark demo`. */
export function readDemoOptions({ port, duration }: DemoOptions): DemoSettings {
  return {
    port: readInteger('--port', port, { min: 0, max: 65_535 }),
    durationMs:
      duration === undefined
        ? null
        : readInteger('--duration', duration, { min: 1, max: longestDurationSeconds }) * 1_000,
  }
}

function readInteger(option: string, text: string, { min, max }: { min: number; max: number }): number {
  const value = /^\d{1,9}$/.test(text) ? Number(text) : Number.NaN
  if (value >= min && value <= max) return value
  throw new ConfigurationError(
    `${option}: expected an integer from ${min} to ${max}, got ${JSON.stringify(text.slice(0, 64))}`,
    { hint: 'See tidemark demo --help.', details: { setting: option } },
  )
}
