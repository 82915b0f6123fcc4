import type { PortOptions } from "../../src/app/tun/tun_router.ts";

/** A session of the only peer, which may use any address. */
export function onePeer(traffic = { sentBytes: 0, receivedBytes: 0 }): PortOptions {
  return { peer: "peer", traffic, addresses: [] };
}
