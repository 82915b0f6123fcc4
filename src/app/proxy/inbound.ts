import { ProtocolError } from "../../base/errors.ts";
import type { Stream } from "../../contract/stream.ts";
import { protocolOf } from "../../core/proxy/detect.ts";
import { Socks4Server } from "../../core/proxy/socks/socks4_server.ts";
import { Socks5Server } from "../../core/proxy/socks/socks5_server.ts";
import type { ServedEvents } from "../net/served_events.ts";
import type { InboundOptions } from "./inbound_options.ts";
import { HttpDriver } from "./http_inbound.ts";
import { SocksDriver } from "./socks_inbound.ts";

/**
 * Serves SOCKS or HTTP. `first`: at least one byte, lent for this call. `onEnd` or `onFailure`
 * tells the end. Returns true as OnReady does.
 */
export function serveInbound(
  client: Stream,
  first: Uint8Array,
  o: InboundOptions,
  events: ServedEvents,
): boolean {
  switch (protocolOf(first[0]!)) {
    case "socks5": {
      const machine = new Socks5Server({
        auth: o.auth,
        anyMethod: o.anyMethod === true,
        hasUdp: o.udp !== undefined,
      });
      return new SocksDriver(client, machine, o, events).begin(first);
    }
    case "socks4": {
      const machine = new Socks4Server({ needsAuth: o.auth !== null });
      return new SocksDriver(client, machine, o, events).begin(first);
    }
    case "http":
      return new HttpDriver(client, o, events).begin(first);
    case null: {
      const words = "Cannot serve a client that speaks neither SOCKS nor HTTP";
      events.onFailure(new ProtocolError(words));
      return false;
    }
  }
}
