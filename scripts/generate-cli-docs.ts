import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath, pathToFileURL } from 'node:url'
import type { Command } from 'commander'
import { format } from 'oxfmt'
import { createProgram } from '../src/cli/run-cli.js'

/** Where the page stands. */
export const cliDocsPath: string = fileURLToPath(new URL('../docs/reference/cli.md', import.meta.url))

/** Columns of a help text on the page. */
const HELP_COLUMNS = 110

/** The text of `docs/reference/cli.md`, from the help of every command. */
export async function renderCliDocs(): Promise<string> {
  const optionsFile = new URL('../.oxfmtrc.json', import.meta.url)
  const options = JSON.parse(await readFile(optionsFile, 'utf8')) as Parameters<typeof format>[2]
  const formatted = await format(cliDocsPath, renderPage(), options)
  if (formatted.errors.length > 0) throw new Error('expected a page that can be formatted')
  return formatted.code
}

function renderPage(): string {
  const program = createProgram(() => undefined)
  const commands = program.commands.flatMap((command) => [command, ...command.commands])
  return `<!-- Written by scripts/generate-cli-docs.ts from the help of the commands: change that, not this page. -->

# The command line

Data goes to standard output and everything else to standard error, so that \`tidemark balance --json | jq\` sees nothing
but data. A reader that has seen enough, such as \`head\`, ends a command quietly. Colours are for terminals, and not
where \`NO_COLOR\` is set. What tokens and labels say of themselves is printed without anything that a terminal obeys.

## Who is asked

\`balance\`, \`history\`, \`stats\`, \`watch\`, \`solvers\` and \`tokens\` ask a running service, or read the database themselves;
the answers are the same, field by field.

1. The service of \`--url\`, or else of \`TIDEMARK_URL\`. When it does not answer, the command ends with exit code 5.
2. Otherwise the service that answers at \`HOST\` and \`PORT\` of the settings found here, if it lets us in.
3. Otherwise the database of these settings: \`DATABASE_URL\`, or the embedded one in \`TIDEMARK_DATA_DIR\`, also while a
   service runs on it. \`--alone\` begins here. No database and no schema is made. What is added to the watch list is
   taken up by every running service at once.

\`--verbose\` says who was asked. A service with keys wants one in \`TIDEMARK_API_KEY\`, or in \`--key\`, which other users of
the machine can see in the list of processes. Reading the database, balances of a chain that no service follows are
shown as stale.

## Names, times and amounts

- A chain is named by its id, by the name it has here, or by a well-known name.
- A token is \`native\`, an address, or a symbol where only one watched token of the chain has it.
- A wallet is an address, or a label where only one has it. Letter case does not matter. Where a name fits several
  things, the command ends with exit code 2 and lists them.
- A time is \`2026-01-31\` (UTC), \`2026-01-31T12:00:00Z\`, or an age such as \`24h\`, \`7d\`, \`90m\`, \`-24h\`. Digits alone are a
  block.
- Tables show six decimals, cut and never rounded up; \`--exact\` shows all. JSON has amounts as text in the token's
  smallest unit, and the fields of the REST interface besides the names.
- What could not be read is \`unknown\` in a table and \`null\` in JSON, never 0.

## Exit codes

| code | meaning |
| --- | --- |
| 0 | all is well |
| 1 | something unexpected |
| 2 | wrong usage or configuration, or a name that stands for nothing or for several things |
| 3 | a check failed |
| 4 | partial data: a balance is stale or unknown, or changes may be missing in the time that was asked for |
| 5 | the service, the database or a node cannot be reached |
| 7 | the embedded database is locked by another process |

## Commands

${commands.map(renderCommand).join('\n\n')}
`
}

function renderCommand(command: Command): string {
  const path: string[] = []
  for (let at: Command | null = command; at !== null; at = at.parent) path.unshift(at.name())
  return `### ${path.join(' ')}\n\n\`\`\`text\n${helpOf(command).trimEnd()}\n\`\`\``
}

/** What `--help` prints, of a width that does not depend on the terminal. */
function helpOf(command: Command): string {
  let text = ''
  command.configureOutput({
    writeOut: (part) => (text += part),
    getOutHelpWidth: () => HELP_COLUMNS,
    getOutHasColors: () => false,
  })
  command.outputHelp()
  return text
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  await writeFile(cliDocsPath, await renderCliDocs())
}
