import { type Addr, type Cidr, ipBytes } from "../../base/addr.ts";
import { TtunError } from "../../base/errors.ts";
import type { Logger } from "../../base/log.ts";
import { RateLimitedLog } from "../../base/rate_limited_log.ts";
import { covers } from "../../base/prefix.ts";
import { startClose } from "../../base/start_close.ts";
import { withoutZone } from "../../base/zone.ts";
import type { Connection } from "../../contract/connection.ts";
import type { Clock } from "../../contract/host.ts";
import { MAX_PROXY_HEADER, readProxyHeader } from "../../core/net/proxy_header.ts";
import { read } from "../loop/stream_io.ts";
import { ProxiedConnection } from "./proxied_connection.ts";

/** Milliseconds for a header, which a proxy sends at once. */
const HEADER_MS = 5_000;

/** Returns true if one of the networks has the address. */
export function isAmong(networks: readonly Cidr[], at: Addr): boolean {
  if (networks.length === 0 || "path" in at) return false;
  const ip = ipBytes(withoutZone(at.host));
  return ip !== null && networks.some((network) => covers(network, ip));
}

export interface ProxyAcceptorOptions {
  /** Networks of the proxies: each of their connections begins with a header, no others' does. */
  readonly from: readonly Cidr[];
  readonly clock: Clock;
  readonly log: Logger;
}

/** Reads where connections come from that proxies pass on (PROXY protocol). */
export class ProxyAcceptor {
  readonly #o: ProxyAcceptorOptions;
  readonly #said: RateLimitedLog;

  constructor(o: ProxyAcceptorOptions) {
    this.#o = o;
    this.#said = new RateLimitedLog(o.log, () => o.clock.now());
  }

  isProxy(inner: Connection): boolean {
    return isAmong(this.#o.from, inner.remote);
  }

  /**
   * Returns a proxy's connection as one of its visitor's; null = it came to nothing, as those that only
   * look whether somebody is there. Owns it meanwhile. Never rejects.
   */
  async accept(inner: Connection): Promise<Connection | null> {
    const late = () => inner.reset(); // whoever waits for its bytes hears of it
    using _timer = this.#o.clock.after(HEADER_MS, late);
    try {
      const bytes = new Uint8Array(MAX_PROXY_HEADER);
      for (let size = 0;;) {
        const found = readProxyHeader(bytes.subarray(0, size));
        if (found === "invalid") throw new TtunError("protocol", "It does not begin with a header");
        if ("source" in found) {
          return found.source === null ? inner : new ProxiedConnection(inner, found.source);
        }
        const got = await read(inner, bytes.subarray(size, size + found.needs));
        if (got === null) break;
        size += got;
      }
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error);
      this.#said.warn("Cannot take a proxy's connection", { peer: inner.peer, why });
    }
    startClose(inner);
    return null;
  }
}
