import { Offload } from "../../contract/batch.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { setOffload, TunOffload } from "../../../ffi/linux/tun.ts";
import { check } from "../../../ffi/native.ts";

const TCP_FLAGS = TunOffload.tso4 | TunOffload.tso6 | TunOffload.tsoEcn;
const UDP_FLAGS = TunOffload.uso4 | TunOffload.uso6;

export function tunFlags(mask: number): number {
  if (mask === Offload.none) return 0;
  return TunOffload.csum | ((mask & Offload.tcp) !== 0 ? TCP_FLAGS : 0) |
    ((mask & Offload.udp) !== 0 ? UDP_FLAGS : 0);
}

/**
 * Returns what a writer may use: a kernel that leaves an offload to the reader can also do it for a
 * writer. Leaves all of them off. @throws {NativeError}
 */
export function supportedOffload(libc: Libc, fd: number): number {
  const can = (mask: number) => {
    const result = setOffload(libc, fd, tunFlags(mask));
    if (result === -Errno.EINVAL) return Offload.none;
    check("TUNSETOFFLOAD", result);
    return mask;
  };
  const takes = can(Offload.tcp) | can(Offload.udp);
  check("TUNSETOFFLOAD", setOffload(libc, fd, 0));
  return takes;
}
