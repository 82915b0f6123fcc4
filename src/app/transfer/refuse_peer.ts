import { TtunError } from "../../base/errors.ts";
import { PeerRefused } from "./message_stream.ts";
import type { TransferTools } from "./transfer.ts";

/** Milliseconds that a peer has to hear a refusal, whose own bytes are thrown away meanwhile. */
export const REFUSAL_MS = 5000;

/** Tells the peer why nothing goes on, unless it knows; it has a moment to hear it. */
export async function refusePeer(
  error: unknown,
  { messages, stream, clock }: Pick<TransferTools, "messages" | "stream" | "clock">,
): Promise<void> {
  if (error instanceof PeerRefused || !(error instanceof TtunError)) return;
  if (error.kind === "lost" || error.kind === "internal") return;
  using _timer = clock.after(REFUSAL_MS, () => stream.reset());
  try {
    await messages.send({ kind: "refuse", words: error.message });
    await messages.closeWrite();
    while (await messages.discard());
  } catch (lost) {
    if (!(lost instanceof TtunError)) throw lost; // the connection is gone, which is no other failure
  }
}
