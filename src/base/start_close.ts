/**
 * Starts to close a stream, link, device or listener, without waiting until it is closed. Closing
 * them never rejects: a connection that broke is closed like any other.
 */
export function startClose(opened: AsyncDisposable): void {
  void opened[Symbol.asyncDispose](); // a rejection would be a mistake in ttun, and ends it
}
