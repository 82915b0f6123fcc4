import { formatAddr } from "../../base/addr.ts";
import type { RelayCount } from "../../app/net/relay.ts";
import type { ProxyCounters } from "../../app/net/proxy_host.ts";
import type { ForwardClientOptions } from "../../app/system/forward_client.ts";
import { addressesOf, type ForwardTable } from "../../app/system/forward_table.ts";
import type { ForwardCounters } from "../../app/system/forwards.ts";
import { formatListen, formatTo } from "../../core/forward/spec.ts";
import type { ConnectionsStatus, ForwardStatus, TrafficStatus } from "../../core/status/report.ts";

export function connectionsStatus(
  { connections, served, pending, relayed }: ForwardCounters & Partial<ProxyCounters>,
): ConnectionsStatus {
  return {
    open: connections,
    served,
    ...(pending !== undefined && { pending }),
    ...(relayed !== undefined && { relayed }),
  };
}

/** Bytes between the ends of a proxy, as one of them sees it; `up` goes to the targets. */
export function proxyTraffic(
  role: "server" | "client",
  { up, down }: Readonly<RelayCount>,
): TrafficStatus {
  return role === "client"
    ? { sentBytes: up, receivedBytes: down }
    : { sentBytes: down, receivedBytes: up };
}

/** Forwards of which this end listens. */
export function ownForwardsStatus({ forwards }: Pick<ForwardTable, "forwards">): ForwardStatus[] {
  return forwards.map((forward) => ({
    kind: forward.spec.kind,
    listen: addressesOf(forward).map(formatAddr),
    to: formatTo(forward.spec),
  }));
}

/** Those of which this end listens, then those of which the server does, as they were asked for. */
export function forwardsStatus(
  { forwards, remote }: Pick<ForwardClientOptions, "forwards" | "remote">,
): ForwardStatus[] {
  return [
    ...ownForwardsStatus(forwards),
    ...remote.table.forwards.map(({ spec, bound }) => ({
      kind: spec.kind,
      listen: [bound === null ? formatListen(spec.listen) : formatAddr(bound)],
      to: formatTo(spec),
      isListening: bound !== null,
    })),
  ];
}
