import { ipBytes } from "../../base/addr.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Clock, Resolver } from "../../contract/host.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents } from "../../contract/dial.ts";
import type { Outbound } from "../../contract/outbound.ts";
import type { Stream } from "../../contract/stream.ts";
import type { Acl } from "../../core/acl/acl.ts";
import { formatTarget, type ForwardTarget, type Target } from "../../base/target.ts";
import { startClose } from "../../base/start_close.ts";
import { ConnectError, toConnectError } from "./connect_error.ts";
import { startAny } from "./dial_host.ts";
import { write } from "../loop/stream_io.ts";

const EMPTY = new Uint8Array();

/** Connects from this machine; `rules` apply to each address and path; null = all are allowed. */
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
        if (rules !== null) return reaching.failed(deniedPath(target.path));
        return dialer.start(target, { signal: life, cancel, timeoutMs }, reaching);
      }
      const choose = rules === null
        ? undefined
        : (addresses: string[]) => allowed(addresses, rules, target);
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

function deniedPath(path: string): ConnectError {
  return new ConnectError("denied", `${path}: no rule lets clients to a unix socket`);
}

/** @throws {ConnectError} `denied` if no address is left */
function allowed(addresses: string[], rules: Acl, target: Target): string[] {
  if (addresses.length === 0) return []; // a failure of the name, not of a rule
  let why = "it has no address";
  const found = addresses.filter((address) => {
    const ip = ipBytes(withoutZone(address));
    const verdict = ip === null ? null : rules.judge(ip, target.port);
    if (verdict !== null) why = `${address}: ${verdict.why}`;
    return verdict?.isAllowed === true;
  });
  if (found.length === 0) {
    const words = `${formatTarget(target)}: ${why} (an --allow for it lets clients there)`;
    throw new ConnectError("denied", words);
  }
  return found;
}
