import type { Clock } from "../../contract/host.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import { DONE, runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Where it all goes, whose it is: room for what a stream gives at a time. */
const WASTE = new Uint8Array(64 * 1024);

/** After so many bytes without a wait the others have a turn, and a deadline the chance to end it. */
const BUDGET = 256 * 1024;

/**
 * Reads and drops what comes, until the peer's FIN; `onBytes` is told that something came.
 * @throws what breaks the stream
 */
export function discard(
  stream: Stream,
  clock: Clock,
  onBytes: () => void = () => {},
): Promise<void> {
  const onReady = (run: OnReady) => stream.onReadable(run);
  return runLoop<void>({ clock, budget: BUDGET, onReady }, () => {
    const got = stream.readNow(WASTE);
    if (got === undefined) return WOULD_BLOCK;
    if (got === null) return DONE;
    onBytes();
    return got;
  });
}
