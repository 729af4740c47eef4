import type { WireSolver } from '../client/index.js'
import { exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { chooseSource } from './source/choose-source.js'
import type { SourceOptions } from './source/choose-source.js'
import { findSolver } from './source/find-by-name.js'
import { quoted } from './terminal/quoted.js'
import { Output } from './terminal/output.js'
import { plainText } from './terminal/plain-text.js'
import { span } from './terminal/styled-line.js'
import { layOutTable } from './terminal/table.js'
import type { TableColumn } from './terminal/table.js'
import { ConfigurationError, parseAddress, toChecksumAddress } from '../index.js'

export interface SolversOptions extends SourceOptions {
  readonly json?: boolean | undefined
}

export interface AddSolverOptions extends SolversOptions {
  readonly label?: string | undefined
}

/** Columns of a label; one may be 64 characters long. */
const LABEL_COLUMNS = 64

/** `tidemark solvers list`: every watched wallet. */
export async function listSolvers(options: SolversOptions): Promise<ExitCode> {
  await using source = await chooseSource(options)
  const output = new Output()
  const solvers = await source.solvers()
  if (options.json === true) await output.writeJson(solvers)
  else if (solvers.length > 0) await output.writeLines(layOutTable({ columns, rows: solvers, width: output.width }))
  if (solvers.length === 0) console.error('No wallet is watched. Add one: tidemark solvers add 0x… --label hot')
  return exitCodes.ok
}

/** `tidemark solvers add`: watches a wallet on every chain, or changes its label. */
export async function addSolver(text: string, options: AddSolverOptions): Promise<ExitCode> {
  const address = parseAddress(text)
  if (address === null) {
    throw new ConfigurationError(`address: expected 0x and 40 hexadecimal digits, got ${quoted(text)}`)
  }
  await using source = await chooseSource(options)
  const added = await source.addSolver(toChecksumAddress(address), options.label)
  if (options.json === true) await new Output().writeJson(added)
  console.error(`${nameOf(added)} is watched on every chain, from the next block on.`)
  return exitCodes.ok
}

/** `tidemark solvers remove`: stops watching a wallet; its history stays. */
export async function removeSolver(addressOrLabel: string, options: SolversOptions): Promise<ExitCode> {
  await using source = await chooseSource(options)
  const address = findSolver({ solvers: await source.solvers() }, addressOrLabel)
  const result = await source.removeSolver(address)
  if (options.json === true) await new Output().writeJson({ address, result })
  switch (result) {
    case 'removed':
      console.error(`${address} is not watched any more. Its history stays.`)
      return exitCodes.ok
    case 'configured':
      console.error(
        `${address} stands in the configuration: take it out of SOLVER_ADDRESSES, or of "solvers" in tidemark.config.*, and start the service again.`,
      )
      return exitCodes.usage
    case 'unknown':
      console.error(`Expected a watched wallet, got ${address}. tidemark solvers list shows them.`)
      return exitCodes.usage
  }
}

const columns: readonly TableColumn<WireSolver>[] = [
  {
    heading: 'LABEL',
    align: 'left',
    cell: ({ label }) => span(label === null ? '–' : plainText(label, LABEL_COLUMNS)),
  },
  { heading: 'ADDRESS', align: 'left', cell: ({ address }) => span(address) },
  { heading: 'ORIGIN', align: 'left', cell: ({ origin }) => span(origin, 'quiet') },
]

function nameOf({ address, label }: WireSolver): string {
  return label === null ? address : `${plainText(label, LABEL_COLUMNS)} (${address})`
}
