import { type Addr, formatAddr, requireHostPort } from "../../base/addr.ts";
import { toTtunError, TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { startClose } from "../../base/start_close.ts";
import type { Target } from "../../base/target.ts";
import type { BoundDatagrams, DatagramBinder } from "../../contract/datagrams.ts";
import type { Listener } from "../../contract/dial.ts";
import {
  type DynamicForwardSpec,
  formatListen,
  formatTo,
  type ForwardListen,
  type ForwardProtocol,
  isUdp,
  type LocalForwardSpec,
} from "../../core/forward/spec.ts";
import { openListeners } from "../forward/open_listeners.ts";

/** A forward of which this end listens. */
export type ListeningForward = LocalForwardSpec | DynamicForwardSpec;

export interface OpenForward {
  readonly spec: ListeningForward;
  readonly listeners: readonly Listener[];
  /** Null for TCP. */
  readonly udp: { readonly to: Target; readonly sockets: readonly BoundDatagrams[] } | null;
}

/** Returns the addresses that a forward listens on. */
export function addressesOf({ listeners, udp }: OpenForward): readonly Addr[] {
  return [...listeners, ...udp?.sockets ?? []].map(({ addr }) => addr);
}

export interface ListenForwardsOptions {
  readonly specs: readonly ListeningForward[];
  /** Opens a listener that lives under the signal. @throws {TtunError} in_use, privilege, usage */
  readonly listen: (at: Addr, o: { signal: AbortSignal }) => Listener;
  /** Opens a UDP socket that lives under the signal; null = there are none on this system. */
  readonly bind: DatagramBinder["bind"] | null;
  /** A forward that cannot listen is an error; otherwise the log says so. */
  readonly exitOnFailure: boolean;
  readonly log: Logger;
  /** The listeners live under it. */
  readonly signal: AbortSignal;
}

/** Opens the listeners of all forwards; the log has their addresses. @throws {TtunError} */
export function listenForwards(o: ListenForwardsOptions): ForwardTable {
  const { specs, exitOnFailure, log } = o;
  const table = new ForwardTable(o);
  for (const spec of specs) {
    try {
      table.open(spec);
    } catch (thrown) {
      const error = toTtunError(thrown);
      if (exitOnFailure || error.kind === "internal") throw thrown;
      log.warn("cannot forward", {
        listen: formatListen(spec.listen),
        to: formatTo(spec),
        why: error.message,
      });
    }
  }
  for (const forward of table.forwards) tell(log, "forward", forward);
  return table;
}

function tell(log: Logger, words: string, forward: OpenForward): void {
  const listen = addressesOf(forward).map(formatAddr).join(" ");
  log.info(words, { listen, to: formatTo(forward.spec) });
}

function openForward(
  spec: ListeningForward,
  { listen, bind, signal }: Pick<ListenForwardsOptions, "listen" | "bind" | "signal">,
): OpenForward {
  if (!isUdp(spec)) {
    const listeners = openListeners(spec.listen, (at) => listen(at, { signal }));
    return { spec, listeners, udp: null };
  }
  if (bind === null) throw noUdp();
  const sockets = openListeners(spec.listen, (at) => bind(requireHostPort(at), { signal }));
  return { spec, listeners: [], udp: { to: spec.to, sockets } };
}

/** Says that this system has no UDP sockets for forwards. */
export function noUdp(): TtunError {
  return new TtunError(
    "system",
    "Cannot forward UDP here: it is for Linux only so far, with native calls (--allow-ffi)",
  );
}

/** Forwards of which this end listens; they may come and go while they run. */
export class ForwardTable {
  readonly #o: Omit<ListenForwardsOptions, "specs" | "exitOnFailure">;
  readonly #forwards: OpenForward[] = [];
  #start: ((forward: OpenForward) => void) | null = null;

  constructor(o: Omit<ListenForwardsOptions, "specs" | "exitOnFailure">) {
    this.#o = o;
  }

  get forwards(): readonly OpenForward[] {
    return this.#forwards;
  }

  /** False for one that was removed: the end of its listener is no failure. */
  has(forward: OpenForward): boolean {
    return this.#forwards.includes(forward);
  }

  /** Starts all forwards, and later ones when they are added. */
  start(start: (forward: OpenForward) => void): void {
    this.#start = start;
    this.#forwards.forEach(start);
  }

  /** Opens its listeners. @throws {TtunError} in_use, privilege, usage, system */
  open(spec: ListeningForward): OpenForward {
    const forward = openForward(spec, this.#o);
    this.#forwards.push(forward);
    return forward;
  }

  /** Opens and runs another one. @throws {TtunError} in_use, privilege, usage, system */
  add(spec: ListeningForward): void {
    const forward = this.open(spec);
    tell(this.#o.log, "forward", forward);
    this.#start?.(forward);
  }

  /**
   * Closes the listeners of the forward that listens there, as it was given or as it turned out;
   * its connections go on. @throws {TtunError} usage, if there is none
   */
  remove(listen: ForwardListen, protocol: ForwardProtocol): void {
    const name = formatListen(listen);
    const at = this.#forwards.findIndex((forward) =>
      (forward.udp !== null) === (protocol === "udp") && (
        formatListen(forward.spec.listen) === name ||
        addressesOf(forward).some((addr) =>
          formatAddr(addr) === name || isPortOf(listen, forward.spec, addr)
        )
      )
    );
    const forward = this.#forwards[at];
    if (forward === undefined) {
      const suffix = protocol === "udp" ? "/udp" : "";
      throw new TtunError("usage", `There is no forward that listens on ${name}${suffix}`);
    }
    this.#forwards.splice(at, 1);
    tell(this.#o.log, "forward removed", forward);
    forward.listeners.forEach(startClose);
    for (const socket of forward.udp?.sockets ?? []) socket[Symbol.dispose]();
  }
}

/** True for a port alone, if that is where a forward without an address listens. */
function isPortOf(listen: ForwardListen, { listen: given }: ListeningForward, addr: Addr): boolean {
  return "port" in listen && listen.host === null && "port" in given && given.host === null &&
    "port" in addr && addr.port === listen.port;
}
