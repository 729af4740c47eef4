import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { compileContracts } from './compile-contracts.js'

const root = resolve(dirname(fileURLToPath(import.meta.url)), '..')

describe('compileContracts', () => {
  it('gives the committed files byte for byte', { timeout: 60_000 }, async () => {
    const files = await compileContracts(root)
    expect(files.map(({ path }) => path)).toContain('src/testing/contracts/artifacts.ts')
    for (const { path, text } of files) {
      const committed = await readFile(join(root, path), 'utf8').catch(() => null)
      expect(committed === text, `${path} is what its sources compile to; if not: npm run contracts`).toBe(true)
    }
  })

  describe('with sources of its own', () => {
    let folder: string

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'tidemark-contracts-'))
      await cp(join(root, '.oxfmtrc.json'), join(folder, '.oxfmtrc.json'))
      const contract = 'src/testing/contracts/Splitter.sol'
      await cp(join(root, contract), join(folder, contract))
      await mkdir(join(folder, 'src/chain/balances/scanner'), { recursive: true })
    })

    afterAll(() => rm(folder, { recursive: true, force: true }))

    it('writes the runtime code of a Yul object, without its constructor', { timeout: 60_000 }, async () => {
      await writeFile(
        join(folder, 'src/chain/balances/scanner/block-scanner.yul'),
        `object "BlockScanner" {
          code { datacopy(0, dataoffset("runtime"), datasize("runtime")) return(0, datasize("runtime")) }
          object "runtime" { code { mstore(0, number()) return(0, 32) } }
        }`,
      )
      const files = await compileContracts(folder)
      const scanner = files.find(({ path }) => path === 'src/chain/balances/scanner/block-scanner-bytecode.ts')
      expect(scanner?.text).toContain("export const blockScannerBytecode: `0x${string}` = '0x4360005260206000f3'\n")
    })

    it('refuses source that does not compile and names the mistake', { timeout: 60_000 }, async () => {
      const path = join(folder, 'src/testing/contracts/Broken.sol')
      await writeFile(path, 'contract Broken { function f() external { nowhere(); } }')
      await expect(compileContracts(folder)).rejects.toThrow(/Broken\.sol.*[\s\S]*nowhere/)
      await rm(path)
    })
  })
})
