import { SOCKADDR_ROOM, writeSockaddr } from "../../ffi/linux/sockaddr.ts";
import type { HostPort } from "../../src/base/addr.ts";

/** A struct sockaddr of the address, no longer than it is. */
export function packSockaddr(addr: HostPort): { family: number; bytes: Uint8Array<ArrayBuffer> } {
  const room = new Uint8Array(SOCKADDR_ROOM);
  const { family, size } = writeSockaddr(addr, room);
  return { family, bytes: room.subarray(0, size) };
}
