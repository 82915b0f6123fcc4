import type { Tunnel } from "../../app/gateway/dial_agent.ts";
import { RawHost } from "../../app/gateway/raw_host.ts";
import type { Quota } from "../../app/net/connection_quota.ts";
import { directOutbound } from "../../app/net/direct_outbound.ts";
import { HeadedDialer } from "../../app/net/headed_dialer.ts";
import { Relays } from "../../app/net/relay.ts";
import { ScratchBuffers } from "../../app/net/scratch.ts";
import type { Cidr } from "../../base/addr.ts";
import type { Dialer } from "../../contract/dial.ts";
import type { RawTarget } from "../../core/gateway/raw_target.ts";
import { LONGEST_REKEY } from "../command/session_options.ts";
import { prepareListens } from "../forward/stream_targets.ts";
import type { WayTools } from "../peer/way_tools.ts";
import { type WireChoice, wireSecrets } from "../plane/wire_secrets.ts";
import { udpSockets } from "../platform/udp_sockets.ts";
import { KeptAccessKeys, type KeptAccessOptions } from "./kept_access.ts";

/** Milliseconds to connect with a service. */
const CONNECT_MS = 10_000;

/** Bytes that are read at once for any connection. */
const CHUNK = 64 * 1024;

const WIRE: WireChoice = {
  wire: "v2",
  psk: new Uint8Array(),
  cipher: "auto",
  rekeySeconds: LONGEST_REKEY,
};

export interface RawHostParts extends Pick<KeptAccessOptions, "folder" | "linkSecret"> {
  readonly net: Dialer;
  /** Returns the places of all services' visitors. */
  readonly quota: () => Quota;
}

/** Opens a service. `allow`: networks that visitors must come from; null = any. @throws {TtunError} */
type OpenRawHost = (name: string, target: RawTarget, allow: readonly Cidr[] | null) => Tunnel;

/** Returns what opens an agent's services of connections as they are. */
export function rawHosts(parts: RawHostParts, tools: WayTools): OpenRawHost {
  prepareListens(tools.platform); // unix sockets
  let open: OpenRawHost | null = null;
  return (...service) => {
    open ??= first(parts, tools);
    return open(...service);
  };
}

/** Opens what all of them share. @throws {TtunError} */
function first(
  { net, folder, linkSecret, quota: places }: RawHostParts,
  tools: WayTools,
): OpenRawHost {
  const { platform, ciphers, resolver, log, signal, opened } = tools;
  const { clock } = platform;
  const quota = places();
  const scratch = new ScratchBuffers(CHUNK);
  const relays = opened.use(new Relays({ clock, scratch, idleMs: Infinity, cut: signal }));
  const outboundBy = (dialer: Dialer) =>
    directOutbound({ dialer, resolver, clock, connectMs: CONNECT_MS, rules: null });
  const plain = outboundBy(net);
  const keys = opened.use(new KeptAccessKeys({ folder, clock, log, signal, linkSecret }));
  const hosts = new Set<RawHost>();
  opened.defer(() => {
    for (const host of hosts) host[Symbol.dispose]();
  });
  return (name, target, allow) => {
    const { isPublic, proxy } = target;
    const ring = keys.ringOf(name, isPublic);
    const host = new RawHost({
      ...{ name, target, allow, resolver, quota, relays, clock, log, signal },
      secrets: wireSecrets(WIRE, ciphers, new Uint8Array(), ring),
      outboundFor: (visitor) =>
        proxy === null ? plain : outboundBy(new HeadedDialer(net, proxy, visitor)),
      sockets: udpSockets(platform),
    });
    hosts.add(host);
    const end = () => {
      keys.forget(name, ring);
      hosts.delete(host);
      host[Symbol.dispose]();
    };
    return { ...host.tunnel, end };
  };
}
