import { type Addr, requireHostPort } from "../../base/addr.ts";
import { zoneOf } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions, Listener } from "../../contract/dial.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { denoNetError } from "./deno_net_error.ts";
import { DenoListener } from "./deno_listener.ts";
import { DenoStream } from "./deno_stream.ts";
import { DialDeadline } from "./dial_deadline.ts";

/**
 * Works without FFI. Options and statistics that Deno lacks need a libc: without one, `setOptions`
 * returns their names.
 */
export class DenoNet implements Dialer {
  readonly libc: Libc | null;

  constructor(libc: Libc | null) {
    this.libc = libc;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): void {
    this.#dial(to, o).then(
      (stream) => void events.connected(stream),
      (error) => void events.failed(error),
    );
  }

  async #dial(to: Addr, o: DialOptions): Promise<Connection> {
    o.signal.throwIfAborted();
    o.cancel?.throwIfAborted();
    const { host, port } = requireHostPort(to);
    using patience = new DialDeadline(to, o);
    try {
      const conn = await Deno.connect({ hostname: host, port, signal: patience.signal });
      return new DenoStream(conn, this.libc, o.signal, zoneOf(host));
    } catch (thrown) {
      patience.check();
      o.signal.throwIfAborted();
      o.cancel?.throwIfAborted();
      throw denoNetError(thrown, "connect", to);
    }
  }

  /** Host "" means all addresses. @throws {TtunError} in_use, privilege, usage */
  listen(at: Addr, o: { signal: AbortSignal }): Listener {
    o.signal.throwIfAborted();
    const { host, port } = requireHostPort(at);
    try {
      return new DenoListener(listenOn(host, port), this.libc, o.signal, zoneOf(host));
    } catch (thrown) {
      throw denoNetError(thrown, "listen", at);
    }
  }
}

/** Attempts to find another port when Deno's choice is taken in the other address family. */
const FREE_PORT_TRIES = 8;

/**
 * Opens one socket for IPv6 and IPv4, or two if the kernel separates them (net.ipv6.bindv6only,
 * Windows); IPv4 only without IPv6. Deno cannot set IPV6_V6ONLY, so what can be bound decides.
 */
function listenOn(host: string, port: number): Deno.TcpListener[] {
  if (host !== "" && host !== "::") return [Deno.listen({ hostname: host, port })];
  for (let tries = 1;; tries++) {
    const v4 = Deno.listen({ hostname: "0.0.0.0", port });
    try {
      return [v4, Deno.listen({ hostname: "::", port: v4.addr.port })];
    } catch (error) {
      if (!(error instanceof Deno.errors.AddrInUse)) return [v4];
    }
    v4.close();
    try {
      return [Deno.listen({ hostname: "::", port: v4.addr.port })];
    } catch (error) {
      const isTaken = error instanceof Deno.errors.AddrInUse;
      if (!isTaken || port !== 0 || tries === FREE_PORT_TRIES) throw error;
    }
  }
}
