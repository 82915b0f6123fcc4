import { check, NativeError } from "../../../ffi/native.ts";
import { Errno } from "../../../ffi/linux/errno.ts";
import type { Libc } from "../../../ffi/linux/libc.ts";
import { connectResult, MSG_NOSIGNAL, startConnect } from "../../../ffi/linux/socket.ts";
import { lingerZero } from "../../../ffi/linux/socket_options.ts";
import { connectionStats, tcpPathMtu } from "../../../ffi/linux/socket_stats.ts";
import type { HostPort } from "../../base/addr.ts";

/** Segments that are sent, bytes that they have at most, and milliseconds until they must be there. */
const SEGMENTS = 4;
const MOST = 64 * 1024;
const PATIENCE_MS = 3000;
const LOOK_MS = 10;

/** Facts of a connection about its path. */
export interface TcpPath {
  /** Null where the kernel does not tell. */
  readonly mtu: number | null;
  readonly segmentBytes: number;
  readonly sentBytes: number;
  readonly arrivedBytes: number;
  /** Segments that were sent again. */
  readonly retransmitted: number;
}

/**
 * Sends some full segments of `random` bytes to a server that is silent to strangers, and tells what
 * the kernel knows of the path then. @throws {NativeError}; the reason of `signal`
 */
export async function tryTcpPath(
  libc: Libc,
  to: HostPort,
  random: (size: number) => Uint8Array,
  signal: AbortSignal,
): Promise<TcpPath> {
  const fd = startConnect(libc, to, { mptcp: false });
  using owned = new DisposableStack();
  owned.defer(() => {
    lingerZero(libc, fd);
    libc.close(fd);
  });
  const deadline = performance.now() + PATIENCE_MS;
  const look = async () => {
    await new Promise((resolve) => setTimeout(resolve, LOOK_MS));
    signal.throwIfAborted();
    return performance.now() < deadline;
  };
  while (!isWritable(libc, fd)) {
    if (!await look()) throw new NativeError("connect", Errno.ETIMEDOUT);
  }
  check("connect", connectResult(libc, fd));
  const { segmentBytes = 0, acked: before = 0 } = connectionStats(libc, fd);
  const bytes = random(Math.min(MOST, SEGMENTS * segmentBytes));
  const sentBytes = check("send", libc.send(fd, bytes, MSG_NOSIGNAL));
  const arrived = () => (connectionStats(libc, fd).acked ?? 0) - before;
  while (arrived() < sentBytes && await look()) { /* they are on their way */ }
  const { sending } = connectionStats(libc, fd);
  return {
    mtu: tcpPathMtu(libc, fd),
    segmentBytes,
    sentBytes,
    arrivedBytes: Math.min(sentBytes, arrived()),
    retransmitted: sending?.retransmitted ?? 0,
  };
}

const POLLOUT = 0x004;

function isWritable(libc: Libc, fd: number): boolean {
  const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: i32 fd, i16 events, i16 revents
  entry.setInt32(0, fd, true);
  entry.setInt16(4, POLLOUT, true);
  return libc.poll(new Uint8Array(entry.buffer), 0) > 0;
}
