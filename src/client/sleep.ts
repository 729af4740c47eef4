/** @throws the signal's reason when it is aborted before the time is over. */
export function sleep(durationMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const settle = (): void => {
      clearTimeout(timer)
      signal?.removeEventListener('abort', settle)
      if (signal?.aborted === true) reject(signal.reason as Error)
      else resolve()
    }
    const timer = setTimeout(settle, durationMs)
    signal?.addEventListener('abort', settle)
    if (signal?.aborted === true) settle()
  })
}
