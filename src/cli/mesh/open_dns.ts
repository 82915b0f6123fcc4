import { DnsServer } from "../../app/gateway/dns_server.ts";
import { ZoneKeeper } from "../../app/gateway/zone_keeper.ts";
import type { Measure } from "../../app/mesh/http/node_metrics.ts";
import { formatAddr, isIpAddress, parseHostPort } from "../../base/addr.ts";
import { toHex } from "../../base/bytes.ts";
import { TtunError } from "../../base/errors.ts";
import type { MeshStore } from "../../contract/mesh_store.ts";
import { openBatchedDatagrams } from "../../io/net/batched_datagrams.ts";
import type { HeldNode } from "./held_node.ts";
import type { MeshTools } from "./mesh_tools.ts";
import type { DnsConfig } from "./plane_config.ts";

export interface OpenedDns {
  /** Where questions come; empty = not here. */
  readonly at: readonly string[];
  measures(): readonly Measure[];
  /** Serves until the signal aborts. */
  run(): Promise<never>;
}

/** Opens a node's part in the zone. @throws {TtunError} in_use, privilege, usage, system */
export function openDns(
  { listen, zone, isApex, addresses: given, isGateway }: DnsConfig,
  { held, store }: { readonly held: HeldNode; readonly store: MeshStore },
  { opened, log, signal, platform }: MeshTools,
): OpenedDns {
  const { clock, libc } = platform;
  const { host } = parseHostPort(held.state.facts.address);
  const addresses = given.length === 0 && isIpAddress(host) ? [host] : given;
  if (addresses.length === 0) {
    log.warn("DNS tells no address of this node: give it by --dns-address");
  }
  const self = toHex(held.facts.nodeId);
  const ownName = isIpAddress(host) ? `ns-${self.slice(0, 8)}.${zone}` : host.toLowerCase();
  const keeper = new ZoneKeeper({
    ...{ store, clock, log, now: Date.now, self, zone, isApex },
    member: {
      visitors: isGateway ? addresses : [],
      server: listen.length === 0 ? null : { name: ownName, addresses },
    },
  });
  const { reactor } = platform;
  if (reactor === null && listen.length > 0) {
    throw new TtunError("usage", "Cannot use --dns: it takes native sockets (Linux, --allow-ffi)");
  }
  const io = libc === null ? "deno" : "ffi";
  const net = platform.openNet({ io, mptcp: false, segmentBytes: {} }, log);
  const server = new DnsServer({
    sockets: listen.map((at) => opened.use(openBatchedDatagrams(reactor!, at, { signal }))),
    listeners: listen.map((at) => opened.use(net.listen(at, { signal }))),
    answer: (query, way) => keeper.answer(query, way, signal),
    ...{ clock, log },
  });
  return {
    at: listen.map((at) => formatAddr(at)),
    measures: () =>
      listen.length === 0 ? [] : [{
        name: "dns_questions_total",
        help: "Questions that the node's DNS server was asked",
        type: "counter",
        value: server.asked,
      }],
    run: () => Promise.race([keeper.run(signal), server.run(signal)]),
  };
}
