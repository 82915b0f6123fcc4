import type { DatagramFlow, DatagramFlowEvents } from "../../contract/datagrams.ts";
import type { Clock } from "../../contract/host.ts";
import type { MuxAddress, Open } from "../../core/mux/frames.ts";
import type { Mux } from "../../core/mux/mux.ts";
import { discard } from "../net/discard.ts";

export interface FlowOptions {
  readonly open: Open;
  /** The address that stands in each datagram that is sent. */
  readonly to: MuxAddress;
  readonly clock: Clock;
}

/** Opens a stream of datagrams; null = the other end takes no more streams. */
export function openDatagramFlow(
  mux: Mux,
  { open, to, clock }: FlowOptions,
  events: DatagramFlowEvents,
): DatagramFlow | null {
  if (!mux.canOpen) return null;
  const stream = mux.open(open, "datagrams", { opened: () => {}, refused: () => {} });
  stream.onDatagram = (_, bytes) => events.received(bytes);
  const ended = () => {
    stream.reset();
    events.ended();
  };
  discard(stream, clock).then(ended, ended); // nothing but the end comes, a refusal too
  return {
    send: (bytes) => void stream.sendDatagram(to, bytes),
    end: () => stream.reset(),
  };
}
