import type { Addr } from "../../base/addr.ts";
import type { ConnectionStats } from "../../contract/stats.ts";
import { hasHungUp } from "../../../ffi/linux/socket_stats.ts";
import type { Descriptor, Reactor } from "../reactor/reactor.ts";
import { PosixStream } from "./posix_stream.ts";

/** The address of a unix socket that was never bound (unix(7), "unnamed"). */
export const UNNAMED: Addr = { path: "" };

/** A stream over a unix socket, which has no option, statistics or congestion control of TCP. */
export class LocalStream extends PosixStream {
  readonly #reactor: Reactor;
  readonly #descriptor: Descriptor;
  readonly #peer: string;
  readonly #local: Addr;

  /** `peer`: the other end's name for logs. */
  constructor(
    reactor: Reactor,
    descriptor: Descriptor,
    peer: string,
    { local = UNNAMED, remote = UNNAMED }: { readonly local?: Addr; readonly remote?: Addr } = {},
  ) {
    super(reactor, descriptor, remote);
    this.#reactor = reactor;
    this.#descriptor = descriptor;
    this.#peer = peer;
    this.#local = local;
  }

  override get peer(): string {
    return this.#peer;
  }

  override get local(): Addr {
    return this.#local;
  }

  override stats(): ConnectionStats {
    const { fd, closed } = this.#descriptor;
    return { protocol: "unix", peerClosed: closed || hasHungUp(this.#reactor.libc, fd) };
  }

  override get congestion(): string {
    return "";
  }

  override setOptions(): string[] {
    this.#descriptor.check();
    return [];
  }
}
