import type { PacketLink } from "../../contract/packet_link.ts";
import { socks5Code } from "../../core/proxy/failure.ts";
import { TunnelLink, type TunnelLinkOptions } from "./tunnel_link.ts";

/** Refuses the tunnels of a friend at an end that serves streams alone. */
export function refuseTunnels(
  link: PacketLink,
  o: Pick<TunnelLinkOptions, "clock" | "random" | "log">,
): TunnelLink {
  const refusing: TunnelLink = new TunnelLink(link, {
    ...o,
    serve: (request) => refusing.tunnels.refuse(request, socks5Code("denied")),
  });
  return refusing;
}
