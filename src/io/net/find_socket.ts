import type { Libc } from "../../../ffi/linux/libc.ts";
import { tryLocalAddr, tryRemoteAddr, tryRemotePort } from "../../../ffi/linux/socket.ts";
import type { HostPort } from "../../base/addr.ts";
import { withoutZone } from "../../base/zone.ts";

/** Descriptors below this are tried: they are small, as each is the lowest free number. */
const HIGHEST = 65_536;

/** Tries every descriptor (0.1 µs each) for the connection's two addresses: call it once. */
export function findSocket(
  libc: Libc,
  conn: Pick<Deno.TcpConn, "localAddr" | "remoteAddr">,
): number | null {
  const local = text({ host: conn.localAddr.hostname, port: conn.localAddr.port });
  const remote = text({ host: conn.remoteAddr.hostname, port: conn.remoteAddr.port });
  for (let fd = 0; fd < HIGHEST; fd++) {
    if (tryRemotePort(libc, fd) !== conn.remoteAddr.port) continue;
    const found = tryLocalAddr(libc, fd);
    if (found !== null && text(found) === local && text(tryRemoteAddr(libc, fd)) === remote) {
      return fd;
    }
  }
  return null;
}

function text(addr: HostPort | null): string {
  // Deno does not report zones.
  const host = addr === null ? "" : withoutZone(addr.host).replace(/^::ffff:(?=\d+\.)/i, "");
  return addr === null ? "" : `${host} ${addr.port}`;
}
