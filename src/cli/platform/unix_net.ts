import type { Addr } from "../../base/addr.ts";
import type { Logger } from "../../base/log.ts";
import { onAbort } from "../../base/scope.ts";
import { startClose } from "../../base/start_close.ts";
import type { DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import type { Reactor } from "../../io/reactor/reactor.ts";
import { dialUnix, listenUnix } from "../../io/unix/transport.ts";
import type { Net } from "./platform.ts";

/** A net that has unix sockets too, by their paths. */
export class UnixNet implements Net {
  readonly #net: Net;
  readonly #reactor: Reactor;
  readonly #log: Logger;

  constructor(net: Net, reactor: Reactor, log: Logger) {
    this.#net = net;
    this.#reactor = reactor;
    this.#log = log;
  }

  get limitsSegments(): boolean {
    return this.#net.limitsSegments ?? false;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): boolean | void {
    if (!("path" in to)) return this.#net.start(to, o, events);
    return dialUnix(to.path, this.#toolsFor(to.path), o, events);
  }

  /** The abort of the signal removes the file. @throws {TtunError} in_use, privilege, usage, system */
  listen(at: Addr, { signal }: { signal: AbortSignal }): Listener {
    if (!("path" in at)) return this.#net.listen(at, { signal });
    const listener = listenUnix(at.path, { ...this.#toolsFor(at.path), signal });
    onAbort(signal, () => startClose(listener));
    return listener;
  }

  #toolsFor(path: string) {
    return { name: `unix:${path}`, reactor: this.#reactor, log: this.#log };
  }
}
