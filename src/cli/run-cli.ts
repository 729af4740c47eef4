import { Command, CommanderError } from 'commander'

import { readPackageVersion } from '../server/package-version.js'
import { addBalanceCommands } from './add-balance-commands.js'
import type { Finish } from './add-balance-commands.js'
import { addKeyCommands } from './add-key-commands.js'
import { addWatchListCommands } from './add-watch-list-commands.js'
import { describeFailure, exitCodeOf, exitCodes } from './exit-code.js'
import type { ExitCode } from './exit-code.js'
import { OutputClosedError } from './terminal/output.js'

const examples = `
Examples:
  $ tidemark demo                                   two local chains, busy wallets, a live table
  $ ETHEREUM_RPC_URL=https://… SOLVER_ADDRESSES=hot=0x… tidemark start
  $ tidemark balance                                what every wallet holds; --at 24h: what it held a day ago
  $ tidemark history base USDC hot --from 7d        every change of one wallet's token
  $ tidemark stats base USDC hot                    lowest, highest, average, flow, and when it will be empty
  $ tidemark watch                                  a table that stays up to date
  $ tidemark solvers add 0x… --label hot            watch another wallet
  $ tidemark keys add trading-bot --scope write     a key for the API; its secret is shown once
  $ tidemark migrate                                create or update the database schema
  $ tidemark backfill --chain ethereum --from 2026-01-01
  $ tidemark verify --sample 50                     compare the history of 50 positions with the chain
  $ tidemark move --to postgresql://…               carry everything to a PostgreSQL server
  $ tidemark backup --to /backups                   everything in one file; the service may run
  $ tidemark doctor                                 what is wrong with the settings, the database or an endpoint

Exit codes: 0 ok, 1 unexpected, 2 usage or configuration, 3 a check failed, 4 partial data, 5 unreachable, 7 locked by another process`

/** Runs one command. Data goes to standard output, everything else to standard error. */
export async function runCli(argv: readonly string[]): Promise<ExitCode> {
  let code: ExitCode = exitCodes.ok
  const program = createProgram((result) => {
    code = result
  })
  try {
    await program.parseAsync([...argv])
    return code
  } catch (error) {
    // Commander has printed its own message by now: help and version are no failures.
    if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    // Whoever reads has seen enough.
    if (error instanceof OutputClosedError) return exitCodes.ok
    console.error(describeFailure(error))
    return exitCodeOf(error)
  }
}

/** Every command. */
export function createProgram(finish: Finish): Command {
  const program = new Command('tidemark')
    .description('What every hot wallet held, on every EVM chain, at every block.')
    .version(readPackageVersion())
    .addHelpText('after', examples)
    .exitOverride()
  addServiceCommands(program, finish)
  addBalanceCommands(program, finish)
  addWatchListCommands(program, finish)
  addHistoryCommands(program, finish)
  addKeyCommands(program, finish)
  addTransferCommands(program, finish)
  return program
}

function addServiceCommands(program: Command, finish: Finish): void {
  program
    .command('start')
    .description('run the service: follow the chains, take snapshots, serve REST and Socket.IO')
    .option('-c, --config <file>', 'configuration file (default: tidemark.config.* in this folder)')
    .option('--log-level <level>', 'trace, debug, info, warn, error, fatal or silent')
    .action(async (options) => {
      finish(await (await import('./start.js')).start(options))
    })

  program
    .command('migrate')
    .description('create or update the database schema')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the result as JSON')
    .action(async (options) => {
      finish(await (await import('./migrate.js')).migrateCommand(options))
    })

  program
    .command('doctor')
    .description('look at settings, database, endpoints and tokens, and say what is wrong')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print one finding per line as JSON')
    .action(async (options) => {
      finish(await (await import('./doctor.js')).doctor(options))
    })

  program
    .command('demo')
    .description(
      'two local chains with busy wallets, watched as mainnet would be (needs the package @foundry-rs/anvil)',
    )
    .option('-p, --port <port>', 'port of the service', '3000')
    .option('--duration <seconds>', 'stop by itself after this time')
    .action(async (options) => {
      finish(await (await import('./demo/demo.js')).demo(options))
    })
}

function addHistoryCommands(program: Command, finish: Finish): void {
  program
    .command('backfill')
    .description('fill in history that was missed, as far back as the endpoints can serve it')
    .option('-c, --config <file>', 'configuration file')
    .option('--chain <id or name>', 'only this chain (default: every configured one)')
    .option('--token <address>', 'only this token, or native')
    .option('--solver <address>', 'only this wallet')
    .option('--from <block or time>', 'from this block or time on (default: the first block)')
    .option('--to <block>', 'up to this block (default: the newest processed one)')
    .option('--json', 'print the result as JSON')
    .action(async (options) => {
      finish(await (await import('./backfill.js')).backfill(options))
    })

  program
    .command('verify')
    .description('compare history with the chain once more, and put right what differs')
    .option('-c, --config <file>', 'configuration file')
    .option('--chain <id or name>', 'only this chain (default: every configured one)')
    .option('--token <address>', 'only this token, or native')
    .option('--solver <address>', 'only this wallet')
    .option('--from <block or time>', 'from this block or time on (default: the first block)')
    .option('--to <block>', 'up to this block (default: the newest processed one)')
    .option('--sample <positions>', 'only so many positions of each chain, drawn by lot')
    .option('--dry-run', 'only tell what differs')
    .option('--proof', 'prove the native balances of the records by Merkle proofs instead')
    .option('--json', 'print the result as JSON')
    .action(async (options) => {
      finish(await (await import('./verify.js')).verify(options))
    })
}

const moveExamples = `Examples:
  $ tidemark move --to postgresql://tidemark:…@db.example/tidemark     from the embedded database to a server
  $ tidemark move --to postgresql://…                                 the same again goes on after an interruption
  $ tidemark move --undo                                              stay with, or go back to, the old database

Stop the service first. The target has to be empty. When everything has arrived, both sides are compared; the old
database takes no writes from then on and can be kept as a backup.
`

const backupExamples = `Examples:
  $ tidemark backup --to /backups                    a file with the time in its name
  $ tidemark backup --to before-upgrade.backup.gz    beside a running service, too

Everything of the database is in it, API keys as hashes. Settings and their secrets are not.
`

const restoreExamples = `Examples:
  $ tidemark restore --from /backups/tidemark-20260101T000000Z.backup.gz
  $ TIDEMARK_DATA_DIR=/srv/tidemark-2 tidemark restore --from before-upgrade.backup.gz
  $ DATABASE_URL=postgresql://… tidemark restore --from before-upgrade.backup.gz

The database has to be empty. The whole file is checked before anything is written.
`

function addTransferCommands(program: Command, finish: Finish): void {
  program
    .command('move')
    .description('carry everything to another PostgreSQL server, compare both, and close the old database')
    .option('--to <DATABASE_URL>', 'where to: an empty database of a PostgreSQL server')
    .option('--undo', 'give a move up: the old database takes writes again')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the result as JSON')
    .addHelpText('before', moveExamples)
    .action(async (options) => {
      finish(await (await import('./move.js')).move(options))
    })

  program
    .command('backup')
    .description('write everything into one file, as it was at one moment; the service may run')
    .requiredOption('--to <file or folder>', 'a new file, or a folder')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the result as JSON')
    .addHelpText('before', backupExamples)
    .action(async (options) => {
      finish(await (await import('./backup.js')).backup(options))
    })

  program
    .command('restore')
    .description('fill an empty database from a backup, wholly or not at all')
    .requiredOption('--from <file>', 'a file that tidemark backup wrote')
    .option('-c, --config <file>', 'configuration file')
    .option('--json', 'print the result as JSON')
    .addHelpText('before', restoreExamples)
    .action(async (options) => {
      finish(await (await import('./restore.js')).restore(options))
    })
}
