import type { DatagramFlow, DatagramFlowEvents } from "../../contract/datagrams.ts";
import type { Clock } from "../../contract/host.ts";
import type { Open } from "../../core/mux/frames.ts";
import type { Mux } from "../../core/mux/mux.ts";
import { discard } from "../net/discard.ts";

export interface FlowOptions {
  readonly open: Open;
  readonly clock: Clock;
}

/** Opens a stream of datagrams; null = the other end takes no more streams. */
export function openDatagramFlow(
  mux: Mux,
  { open, clock }: FlowOptions,
  events: DatagramFlowEvents,
): DatagramFlow | null {
  if (!mux.canOpen) return null;
  const stream = mux.open(open, "datagrams", { opened: () => {}, refused: () => {} });
  stream.onDatagram = (from, bytes) => {
    if (from === null || "host" in from) events.received(bytes, from);
  };
  const ended = () => {
    stream.reset();
    events.ended();
  };
  discard(stream, clock).then(ended, ended); // nothing but the end comes, a refusal too
  return {
    send: (bytes, to) => void stream.sendDatagram(to, bytes),
    end: () => stream.reset(),
  };
}
