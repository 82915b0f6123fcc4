import { TtunError } from "../../base/errors.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { getOption, setMark, SOL_SOCKET } from "../../../ffi/linux/socket_options.ts";
import { tryLocalAddr, tryRemotePort } from "../../../ffi/linux/socket.ts";

/** Constants of sys/socket.h. */
const SO_TYPE = 3;
const SOCK_DGRAM = 2;

/** Descriptors below this are tried: they are small, as each is the lowest free number. */
const HIGHEST = 65_536;

/** Marks (SO_MARK) this process's unconnected UDP socket at that port. @throws {TtunError} privilege */
export function markSocket(libc: Libc, port: number, mark: number): void {
  for (let fd = 0; fd < HIGHEST; fd++) {
    if (tryLocalAddr(libc, fd)?.port !== port || tryRemotePort(libc, fd) !== -1) continue;
    if (getOption(libc, fd, SOL_SOCKET, SO_TYPE) !== SOCK_DGRAM) continue;
    try {
      return setMark(libc, fd, mark);
    } catch (cause) {
      throw new TtunError("privilege", "Cannot mark the socket of QUIC: run ttun as root", {
        cause,
      });
    }
  }
  throw new TtunError("internal", "Cannot mark the socket of QUIC: it is not found");
}
