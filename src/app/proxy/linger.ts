import type { Clock } from "../../contract/host.ts";
import type { OnReady, Stream } from "../../contract/stream.ts";
import { END, goOn, NOTHING } from "../go_on.ts";
import type { Scratch } from "./scratch.ts";

/** How long what a client still sends is read after the last answer. */
const LINGER_MS = 2000;

/** After so many bytes without a wait the others have a turn, and the time a chance to end. */
const BUDGET = 1024 * 1024;

/**
 * After our FIN: reads and drops what the other end still sends, until its own, or for a little
 * while. Bytes that nobody reads would make the kernel send a reset, which could overtake our last
 * answer (RFC 9112 section 9.6). The stream stays the caller's to close.
 */
export async function linger(
  stream: Stream,
  { clock, scratch }: { clock: Clock; scratch: Scratch },
): Promise<void> {
  using _timer = clock.after(LINGER_MS, () => stream.reset());
  try {
    const onReady = (run: OnReady) => stream.onReadable(run);
    await goOn<void>({ clock, budget: BUDGET, onReady }, () => {
      const got = stream.readNow(scratch.plain);
      return got === undefined ? NOTHING : got ?? END;
    });
  } catch {
    // It is over either way.
  }
}
