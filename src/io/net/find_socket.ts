import type { Libc } from "../../../ffi/linux/libc.ts";
import { tryLocalAddr, tryRemoteAddr, tryRemotePort } from "../../../ffi/linux/socket.ts";
import type { HostPort } from "../../base/addr.ts";
import { withoutZone } from "../../base/zone.ts";

/** Descriptors are small numbers, the lowest free one each; nobody has more than this many. */
const HIGHEST = 65_536;

/**
 * The descriptor of one of Deno's connections, found by its two addresses: no two sockets of a
 * process have the same ones. Tries descriptor after descriptor (0.1 µs each), so ask once a
 * connection. null when it is not to be found.
 */
export function findSocket(libc: Libc, conn: Deno.TcpConn): number | null {
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
  // Deno does not tell zones.
  const host = addr === null ? "" : withoutZone(addr.host).replace(/^::ffff:(?=\d+\.)/i, "");
  return addr === null ? "" : `${host} ${addr.port}`;
}
