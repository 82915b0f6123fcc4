import type { Clock, Resolver } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents } from "../../contract/dial.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Acl } from "../../core/acl/acl.ts";
import type { ForwardTarget } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import { toConnectError } from "./connect_error.ts";
import { type DialAnyOptions, startAny } from "./dial_host.ts";
import { deniedTarget, permittedAddresses } from "./permitted_addresses.ts";
import { write } from "../loop/stream_io.ts";

const EMPTY = new Uint8Array();

/** Connects from this machine; `rules` judge names, addresses and paths; null = all are allowed. */
export function directOutbound(o: {
  dialer: Dialer;
  resolver: Resolver;
  clock: Clock;
  connectMs: number;
  rules: Acl | null;
}): Outbound<ForwardTarget> {
  const { dialer, resolver, clock, connectMs: timeoutMs, rules } = o;
  return {
    open: (target, { signal: life, cancel = life, early = EMPTY, client }, events) => {
      const reaching = new Reaching(target, early, events);
      if ("path" in target) {
        const verdict = rules?.judgePath(target.path);
        if (verdict?.isAllowed === false) return reaching.failed(deniedTarget(target, verdict.why));
        return dialer.start(target, { signal: life, cancel, timeoutMs }, reaching);
      }
      let choose: DialAnyOptions["choose"];
      try {
        if (rules !== null) choose = permittedAddresses(rules, target);
      } catch (error) {
        return reaching.failed(error);
      }
      return startAny(
        { to: target, dialer, resolver, clock, timeoutMs, signal: cancel, life, choose, client },
        reaching,
      );
    },
  };
}

/** Sends the early bytes on a new connection before it is passed on. */
class Reaching implements DialEvents {
  readonly #target: ForwardTarget;
  readonly #early: Uint8Array;
  readonly #events: DialEvents<Stream>;

  constructor(target: ForwardTarget, early: Uint8Array, events: DialEvents<Stream>) {
    this.#target = target;
    this.#early = early;
    this.#events = events;
  }

  connected(stream: Connection): boolean | void {
    try {
      const writing = this.#early.length > 0 ? write(stream, this.#early) : undefined;
      if (writing === undefined) return this.#events.connected(stream);
      writing.then(
        () => void this.#events.connected(stream),
        (error) => void this.#lost(stream, error),
      );
    } catch (error) {
      return this.#lost(stream, error);
    }
  }

  #lost(stream: Connection, error: unknown): boolean | void {
    startClose(stream);
    return this.failed(error);
  }

  failed(thrown: unknown): boolean | void {
    return this.#events.failed(toConnectError(thrown, this.#target));
  }
}
