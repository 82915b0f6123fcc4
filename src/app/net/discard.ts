import type { Clock } from "../../contract/host.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import { DONE, runLoop, WOULD_BLOCK } from "../loop/ready_loop.ts";

/** Destination of all discarded bytes; its size limits a single read. */
const WASTE = new Uint8Array(64 * 1024);

/** Bytes without a wait after which other tasks, including deadlines, get a turn. */
const BUDGET = 256 * 1024;

/** Ends at the peer's FIN or throws the stream's error; `onBytes` is called after each read. */
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
