import type { Command } from 'commander'

import type { ExitCode } from './exit-code.js'

/** Takes the exit code of the command that ran. */
export type Finish = (code: ExitCode) => void

/** Where the answers come from: options of every command that asks. */
export function withSource(command: Command): Command {
  return command
    .option('--url <url>', 'ask this service (default: TIDEMARK_URL, else the one that runs with these settings)')
    .option('--key <secret>', 'API key of the service; better TIDEMARK_API_KEY, which other users do not see')
    .option('--alone', 'read the database, without asking a service')
    .option('-c, --config <file>', 'configuration file')
    .option('--verbose', 'say who is asked')
}

const balanceExamples = `Examples:
  $ tidemark balance                                every balance that is watched
  $ tidemark balance base                           on one chain, by name or id
  $ tidemark balance ethereum USDC hot              one token of one wallet, by symbol and label
  $ tidemark balance --at 2026-01-31                as of a time; 24h is a day ago
  $ tidemark balance base --at 21000000             as of a block of one chain
  $ tidemark balance --total                        one sum for each token of each chain
  $ tidemark balance --json | jq -r '.[] | [.label, .tokenSymbol, .formatted] | @tsv'

A balance that could not be read is unknown, never 0. Exit code 4: one of them is stale or unknown.
`

export function addBalanceCommands(program: Command, finish: Finish): void {
  addBalanceCommand(program, finish)
  addHistoryCommand(program, finish)
  addStatsCommand(program, finish)
  addWatchCommand(program, finish)
}

function addBalanceCommand(program: Command, finish: Finish): void {
  withPosition(withSource(program.command('balance')))
    .description('show the newest balances, of everything that is watched or of what is named')
    .addHelpText('before', balanceExamples)
    .option('--at <block or time>', 'as of then; 24h and 7d are that long ago')
    .option('--total', 'one sum for each token of each chain')
    .option('--exact', 'show all decimals')
    .option('--all', 'also what is no longer watched')
    .option('--json', 'print one JSON list; amounts are text')
    .action(async (chain, token, solver, options) => {
      finish(await (await import('./balance.js')).balance(namesOf(chain, token, solver, options), options))
    })
}

const historyExamples = `Examples:
  $ tidemark history base USDC hot                  the newest 20 records
  $ tidemark history base native hot --from 7d --limit 100
  $ tidemark history 1 0xA0b8… 0x742d… --from 21000000 --to 21100000 --csv --all > usdc.csv
  $ tidemark history base USDC hot --all --json     one record per line
  $ tidemark history base USDC hot --from 30d --points 30

A chain, token or wallet may be left out where only one fits. Exit code 4: changes may be missing in that time.
`

function addHistoryCommand(program: Command, finish: Finish): void {
  withPosition(withSource(program.command('history')))
    .description('show the records of one position, newest first')
    .addHelpText('before', historyExamples)
    .option('--from <block or time>', 'from this block or time on; 24h and 7d are that long ago')
    .option('--to <block or time>', 'up to this block or time')
    .option('--limit <records>', 'so many records (default: 20)')
    .option('--all', 'every record, as it comes')
    .option('--points <steps>', 'the balance over time in so many steps at most')
    .option('--exact', 'show all decimals')
    .option('--csv', 'print comma-separated values; amounts in the smallest unit')
    .option('--json', 'print one JSON list; with --all one record per line')
    .action(async (chain, token, solver, options) => {
      finish(await (await import('./history.js')).history(namesOf(chain, token, solver, options), options))
    })
}

const statsExamples = `Examples:
  $ tidemark stats base USDC hot                    since the first record
  $ tidemark stats base native hot --from 7d
  $ tidemark stats base USDC hot --from 2026-01-01 --to 2026-01-31 --json

The average is weighted by time. Exit code 4: part of that time is not known exactly.
`

function addStatsCommand(program: Command, finish: Finish): void {
  withPosition(withSource(program.command('stats')))
    .description('show what one position did: lowest, highest, average, flow, and when it will be empty')
    .addHelpText('before', statsExamples)
    .option('--from <time>', 'from this time on; 24h and 7d are that long ago (default: the first record)')
    .option('--to <time>', 'up to this time (default: the newest processed block)')
    .option('--json', 'print the result as JSON; amounts in the smallest unit')
    .action(async (chain, token, solver, options) => {
      finish(await (await import('./stats.js')).stats(namesOf(chain, token, solver, options), options))
    })
}

const watchExamples = `Examples:
  $ tidemark watch                                  a table that stays up to date
  $ tidemark watch base USDC
  $ tidemark watch --solver hot | tee changes.log   one line for each change
  $ tidemark watch --json | jq 'select(.event == "balance:updated")'

Ctrl-C ends it. A lost connection comes back by itself, and nothing is left out.
`

function addWatchCommand(program: Command, finish: Finish): void {
  withPosition(withSource(program.command('watch')))
    .description('show balances as they change')
    .addHelpText('before', watchExamples)
    .option('--json', 'print one JSON object for each change')
    .action(async (chain, token, solver, options) => {
      finish(await (await import('./watch.js')).watch(namesOf(chain, token, solver, options), options))
    })
}

/** What a command is about: three arguments, or the same by name. */
function withPosition(command: Command): Command {
  return command
    .argument('[chain]', 'chain id or name')
    .argument('[token]', 'native, a token address, or a symbol')
    .argument('[solver]', 'wallet address or label')
    .option('--chain <id or name>', 'the same, by name')
    .option('--token <token>', 'the same, by name')
    .option('--solver <wallet>', 'the same, by name')
}

interface Names {
  readonly chain?: string | undefined
  readonly token?: string | undefined
  readonly solver?: string | undefined
}

function namesOf(chain?: string, token?: string, solver?: string, options: Names = {}): Names {
  return { chain: chain ?? options.chain, token: token ?? options.token, solver: solver ?? options.solver }
}
