import type { DatagramSockets } from "../../contract/datagrams.ts";
import { PosixDatagrams } from "../../io/net/posix_datagrams.ts";
import type { SocketPlatform } from "./platform.ts";

/** UDP sockets; null if there are no native calls. */
export function udpSockets({ reactor }: Pick<SocketPlatform, "reactor">): DatagramSockets | null {
  return reactor === null ? null : new PosixDatagrams(reactor);
}
