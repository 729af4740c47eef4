import { messageOf } from '../../model/errors.js'
import type { HistoryContext } from './history-scope.js'

/**
 * Announces what runs over the history have stored: one event for each position, with all blocks that may differ. It is
 * called when a run has ended or was broken off. What a run that crashed had stored is announced by the next one.
 *
 * A failure is logged and not thrown: nothing is lost by it, and the run's own outcome counts.
 */
export async function announceHistory(
  context: Pick<HistoryContext, 'store' | 'chainId' | 'logger' | 'onCommitted'>,
): Promise<void> {
  try {
    const announced = await context.store.announceHistory(context.chainId)
    if (announced > 0) context.onCommitted?.()
  } catch (error) {
    context.logger.warn({ error: messageOf(error) }, 'what was changed in the history is announced by the next run')
  }
}
