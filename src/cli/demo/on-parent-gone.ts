/** Calls back once when the process that started this one is gone, however it went, even if that was before this call. */
export function onParentGone(handle: () => void): void {
  process.once('disconnect', handle)
  // While modules are loaded nobody listens yet.
  if (!process.connected) {
    process.off('disconnect', handle)
    handle()
  }
}
