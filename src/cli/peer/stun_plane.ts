import { runStunServer } from "../../app/system/stun_server.ts";
import { formatAddr } from "../../base/addr.ts";
import type { OpenedPlane } from "../plane/run_plane.ts";
import type { PeerTools } from "./own_address.ts";
import type { PeerStart, StunTask } from "./plane_config.ts";

/** A STUN server. @throws {TtunError} in_use, privilege */
export function openStunServer(
  { listen }: StunTask,
  { platform, opened, log, signal }: PeerTools,
): OpenedPlane<PeerStart> {
  const net = platform.openNet({ io: "ffi", mptcp: false, segmentBytes: {} }, log);
  const listener = opened.use(net.listen(listen, { signal }));
  const address = formatAddr(listener.addr);
  log.info("listening", { address });
  log.info("the firewall must let it in", {
    rule: `nft add rule inet filter input tcp dport ${listen.port} accept`,
  });
  const { clock } = platform;
  return { facts: {}, run: () => runStunServer({ listener, clock, log, signal }) };
}
