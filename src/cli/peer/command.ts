import { TtunError } from "../../base/errors.ts";
import { formatIp, parseIp } from "../../base/addr.ts";
import { openControlLibc } from "../../../ffi/linux/libc.ts";
import type { RunContext } from "../command/context.ts";
import { PlaneHandle } from "../plane/plane_handle.ts";
import { chooseIo } from "../platform/open_sockets.ts";
import { requirePermissions, socketNeeds } from "../platform/permissions.ts";
import type { PeerFlags } from "./options.ts";
import type { PeerConfig } from "./plane_config.ts";

/** Connects with the peer, and carries standard input and output. @throws {TtunError} */
export async function runPeer(options: PeerFlags, context: RunContext): Promise<number> {
  const [myIp, peerIp] = [options.myIp, options.peerIp].map((ip) => formatIp(parseIp(ip)!));
  refuse(myIp!, peerIp!);
  const io = chooseIo("auto");
  if (io !== "ffi") {
    throw new TtunError(
      "system",
      "Cannot punch holes here: it takes native sockets (Linux so far)",
    );
  }
  requirePermissions(socketNeeds(io, "connect"), "client");
  const config: PeerConfig = {
    kind: "peer",
    myIp: myIp!,
    peerIp: peerIp!,
    localPort: options.localPort,
    remotePort: options.remotePort,
    keepAlive: options.keepAlive,
    deadlineMs: options.deadline * 1000,
    fingerprint: options.fingerprint,
    aead: "auto",
    io,
    user: undefined,
    status: null,
    metrics: null,
  };
  using libc = openControlLibc();
  await using plane = new PlaneHandle<object, object>(config, { libc, context });
  await plane.run({ prepare: () => Promise.resolve({}) });
  return 0;
}

function refuse(myIp: string, peerIp: string): void {
  const same =
    "Cannot connect: both ends have the same address; the two public addresses differ, " +
    "or the machines are in one network, where -myip and -peerip are their addresses in it";
  if (myIp === peerIp) throw new TtunError("usage", same);
  if (myIp.includes(":") === peerIp.includes(":")) return;
  const words = "Cannot connect: one address is IPv4 and the other IPv6; give both of one kind";
  throw new TtunError("usage", words);
}
