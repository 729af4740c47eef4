import type { TransferProgress } from '../index.js'
import { Progress } from './progress.js'

const titles: Readonly<Record<TransferProgress['step'], string>> = {
  copying: 'copying',
  checking: 'comparing',
}

/** One progress bar for each step of a transfer. */
export class TransferProgressBar {
  #step: TransferProgress['step'] | null = null
  #bar: Progress | null = null

  update({ step, table, done, total }: TransferProgress): void {
    if (step !== this.#step) {
      this.#bar?.end()
      this.#bar = new Progress({ title: titles[step], unit: 'rows' })
      this.#step = step
    }
    this.#bar?.update({ done: Number(done), total: Number(total), note: table })
  }

  end(): void {
    this.#bar?.end()
  }
}
