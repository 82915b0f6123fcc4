import type { Logger } from "../base/log.ts";
import type { Dialer, Listener } from "../contract/dial.ts";
import type { Reactor } from "./reactor/reactor.ts";

export interface TransportTools {
  readonly reactor: Reactor;
  readonly log: Logger;
}

/**
 * Opens the two ends that a URL without a network address can name; a transport may have only one
 * of them. `at` is what its entry of cli/transport/table.ts has read from the URL.
 */
export interface Transport {
  dialer?(at: string, tools: TransportTools): Dialer<void>;
  /** @throws {TtunError} in_use, privilege, usage, system */
  listen?(at: string, o: TransportTools & { readonly signal: AbortSignal }): Listener;
}
