import type { Command } from 'commander'

import { withSource } from './add-balance-commands.js'
import type { Finish } from './add-balance-commands.js'

const solverExamples = `Examples:
  $ tidemark solvers list
  $ tidemark solvers add 0x742d… --label hot        watch a wallet on every chain, or change its label
  $ tidemark solvers remove hot                     by label or address; its history stays

A wallet of the configuration is removed there: SOLVER_ADDRESSES, or tidemark.config.*.
`

const tokenExamples = `Examples:
  $ tidemark tokens list
  $ tidemark tokens list base --json
  $ tidemark tokens add base 0x8335… 0x4200…        watch tokens of a chain for every wallet
  $ tidemark tokens remove base USDC                by symbol or address; its history stays

A token of the configuration is removed there: <CHAIN>_TOKENS, or tidemark.config.*.
`

export function addWatchListCommands(program: Command, finish: Finish): void {
  addSolverCommands(program, finish)
  addTokenCommands(program, finish)
}

function addSolverCommands(program: Command, finish: Finish): void {
  const solvers = program
    .command('solvers')
    .description('list, add and remove the wallets that are watched')
    .addHelpText('before', solverExamples)

  withSource(solvers.command('list'))
    .description('show every watched wallet')
    .option('--json', 'print one JSON list')
    .action(async (options) => {
      finish(await (await import('./solvers.js')).listSolvers(options))
    })

  withSource(solvers.command('add'))
    .description('watch a wallet on every chain, from the next block on')
    .argument('<address>', 'the wallet')
    .option('--label <name>', 'what it is called')
    .option('--json', 'print the entry as JSON')
    .action(async (address: string, options) => {
      finish(await (await import('./solvers.js')).addSolver(address, options))
    })

  withSource(solvers.command('remove'))
    .description('stop watching a wallet; its history stays')
    .argument('<address or label>', 'the wallet')
    .option('--json', 'print the result as JSON')
    .action(async (addressOrLabel: string, options) => {
      finish(await (await import('./solvers.js')).removeSolver(addressOrLabel, options))
    })
}

function addTokenCommands(program: Command, finish: Finish): void {
  const tokens = program
    .command('tokens')
    .description('list, add and remove the tokens that are watched')
    .addHelpText('before', tokenExamples)

  withSource(tokens.command('list'))
    .description('show the watched tokens of every chain, or of one')
    .argument('[chain]', 'chain id or name')
    .option('--json', 'print one JSON list')
    .action(async (chain: string | undefined, options) => {
      finish(await (await import('./tokens.js')).listTokens(chain, options))
    })

  withSource(tokens.command('add'))
    .description('watch tokens of a chain for every wallet, from the next block on')
    .argument('<chain>', 'chain id or name')
    .argument('<address...>', 'the token contracts')
    .option('--json', 'print the entries as JSON')
    .action(async (chain: string, addresses: readonly string[], options) => {
      finish(await (await import('./tokens.js')).addTokens(chain, addresses, options))
    })

  withSource(tokens.command('remove'))
    .description('stop watching a token of a chain; its history stays')
    .argument('<chain>', 'chain id or name')
    .argument('<address or symbol>', 'the token')
    .option('--json', 'print the result as JSON')
    .action(async (chain: string, token: string, options) => {
      finish(await (await import('./tokens.js')).removeToken(chain, token, options))
    })
}
