import { type Addr, isIpAddress } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import { startClose } from "../../base/start_close.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Dialer, DialEvents, DialOptions } from "../../contract/dial.ts";
import { encodeProxyHeader } from "../../core/net/proxy_header.ts";

/** Connects as `inner` does, and first tells whom the connection is for (PROXY protocol). */
export class HeadedDialer implements Dialer {
  readonly limitsSegments: boolean;
  readonly #inner: Dialer;
  readonly #version: 1 | 2;
  readonly #visitor: Addr;

  /** `visitor`: the one that the connection is for. */
  constructor(inner: Dialer, version: 1 | 2, visitor: Addr) {
    this.limitsSegments = inner.limitsSegments === true;
    this.#inner = inner;
    this.#version = version;
    this.#visitor = visitor;
  }

  start(to: Addr, o: DialOptions, events: DialEvents): boolean | void {
    return this.#inner.start(to, o, {
      connected: (stream) => this.#tell(stream, to, events),
      failed: (error) => events.failed(error),
    });
  }

  #tell(stream: Connection, to: Addr, events: DialEvents): boolean | void {
    const header = encodeProxyHeader(this.#version, {
      source: endOf(this.#visitor),
      destination: endOf(to),
    });
    try {
      // A new connection has room for it.
      if (stream.writeNow(header) === header.length) return events.connected(stream);
    } catch (error) {
      startClose(stream);
      return events.failed(error);
    }
    startClose(stream);
    return events.failed(new TtunError("lost", "Cannot tell the service who its visitor is"));
  }
}

/** A unix socket has no address that a header could have. */
function endOf(addr: Addr) {
  if ("path" in addr) return { host: "0.0.0.0", port: 0 };
  const host = withoutZone(addr.host);
  return { host: isIpAddress(host) ? host : "", port: addr.port };
}
