import type { Connect } from "../net/direct_outbound.ts";
import type { TtConfig } from "../tt/config.ts";
import { TtOutbound, type TtOutboundOptions } from "../tt/tt_outbound.ts";

/** Settings of the transport between a proxy's two ends. */
export type WireConfig = TtConfig;

/** A client's way to targets through the server. */
export interface ServerOutbound extends Disposable {
  readonly connect: Connect;
  /**
   * Tries the server without asking it for anything; returns how many milliseconds its answer took.
   * @throws {TtunError} why there is no answer; the reason of the host's signal
   */
  check(): Promise<number>;
  /** Closes an idle connection to the server; returns false if there is none. */
  dropIdle(): boolean;
}

/** Opens the client's end of the transport. */
export function openOutbound(o: TtOutboundOptions): ServerOutbound {
  return new TtOutbound(o);
}
