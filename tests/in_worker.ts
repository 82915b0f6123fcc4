/**
 * Test cases in a Worker: there the reactor may block its thread, as it does in the product. The
 * entry serves one case by name; the test that asked for it fails as the case does.
 */

interface Outcome {
  failure: { message: string; stack: string } | null;
}

/** Runs the case `name` of `entry` in a Worker of its own. @throws what the case throws */
export async function runInWorker(entry: URL, name: string): Promise<void> {
  const worker = new Worker(entry, { type: "module" });
  try {
    const { failure } = await new Promise<Outcome>((resolve, reject) => {
      worker.onmessage = ({ data }) => resolve(data as Outcome);
      worker.onerror = (event) => {
        event.preventDefault();
        reject(new Error(`The worker failed: ${event.message}`));
      };
      worker.postMessage(name);
    });
    if (failure === null) return;
    const error = new Error(failure.message);
    error.stack = failure.stack;
    throw error;
  } finally {
    worker.terminate();
  }
}

/** In the Worker: what to do with a case's name. */
export function serveCases(run: (name: string) => Promise<void>): void {
  addEventListener("message", async (event) => {
    let failure: Outcome["failure"] = null;
    try {
      await run((event as MessageEvent<string>).data);
    } catch (thrown) {
      const error = thrown instanceof Error ? thrown : new Error(String(thrown));
      failure = { message: error.message, stack: error.stack ?? error.message };
    }
    (self as unknown as { postMessage(message: Outcome): void }).postMessage({ failure });
  }, { once: true });
}
