/** Starts a close without waiting; it never rejects, not even for a connection that broke. */
export function startClose(opened: AsyncDisposable): void {
  void opened[Symbol.asyncDispose](); // a rejection would be a mistake in ttun, and ends it
}
