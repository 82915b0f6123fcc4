import type { ConnectionStats, SendingInfo } from "../../src/contract/stats.ts";
import type { Libc } from "./libc.ts";
import { getOption, IPPROTO_MPTCP, IPPROTO_TCP, SOL_SOCKET } from "./socket_options.ts";

/** Constants of sys/socket.h, netinet/tcp.h, linux/mptcp.h and poll.h on Linux. */
const SO_PROTOCOL = 38;
const TCP_INFO = 11;
const SOL_MPTCP = 284;
const MPTCP_INFO = 1;
const POLLERR = 0x008;
const POLLHUP = 0x010;
const POLLRDHUP = 0x2000;

/** Size and offsets in bytes, of struct tcp_info (linux/tcp.h) */
const TCP_INFO_SIZE = 136;
const TCPI_STATE = 0;
const TCPI_RETRANSMITS = 2;
const TCPI_SND_MSS = 16;
const TCPI_UNACKED = 24;
const TCPI_SACKED = 28;
const TCPI_LAST_DATA_SENT = 44;
const TCPI_LAST_ACK_RECV = 56;
const TCPI_PMTU = 60;
const TCPI_RTT_US = 68;
const TCPI_TOTAL_RETRANS = 100;
const TCPI_BYTES_ACKED = 120;
const TCPI_BYTES_RECEIVED = 128;
/** The kernel has this field since Linux 4.6. */
const TCPI_NOTSENT_BYTES = 144;
const TCP_INFO_NOTSENT_SIZE = 148;
const TCPI_SEGS_IN = 140;
const TCPI_DELIVERED = 192;
const TCPI_BYTES_SENT = 200;
const TCPI_BYTES_RETRANS = 208;
/** Size with all of these fields, since Linux 4.19. */
const TCP_INFO_SENDING_SIZE = 216;

/** Size of struct mptcp_info (linux/mptcp.h), which has the byte counters since Linux 6.5. */
const MPTCP_INFO_SIZE = 80;
const MPTCPI_WRITE_SEQ = 16;
const MPTCPI_SND_UNA = 24;
const MPTCPI_BYTES_RECEIVED = 64;
const MPTCPI_BYTES_ACKED = 72;

/** The connection is gone, most often by a reset from either end. */
const TCP_CLOSE = 7;

/** TCP_ESTABLISHED, TCP_FIN_WAIT1 and TCP_FIN_WAIT2 */
const STATES_BEFORE_FIN: readonly number[] = [1, 4, 5];

/** Values that the kernel does not provide are absent. */
export function connectionStats(libc: Libc, fd: number): ConnectionStats {
  const multipath = mptcpInfo(libc, fd);
  const info: ConnectionStats = { protocol: multipath === null ? "tcp" : "mptcp" };
  const tcp = getStruct(libc, fd, IPPROTO_TCP, TCP_INFO, TCP_INFO_SENDING_SIZE);
  if (tcp !== null && tcp.byteLength >= TCP_INFO_SIZE) {
    info.acked = Number(tcp.getBigUint64(TCPI_BYTES_ACKED, true));
    info.received = Number(tcp.getBigUint64(TCPI_BYTES_RECEIVED, true));
    info.segmentBytes = tcp.getUint32(TCPI_SND_MSS, true);
    info.rttMs = tcp.getUint32(TCPI_RTT_US, true) / 1000;
    info.peerClosed = !STATES_BEFORE_FIN.includes(tcp.getUint8(TCPI_STATE));
    info.isGone = tcp.getUint8(TCPI_STATE) === TCP_CLOSE;
    if (info.isGone) info.wasReset = (pollEvents(libc, fd) & POLLERR) !== 0;
    if (tcp.byteLength >= TCP_INFO_NOTSENT_SIZE) {
      // A closed connection has no data in flight, whatever its counters say.
      info.isDelivered = info.isGone ||
        (tcp.getUint32(TCPI_UNACKED, true) === 0 && tcp.getUint32(TCPI_NOTSENT_BYTES, true) === 0);
    }
    if (tcp.byteLength >= TCP_INFO_SENDING_SIZE) info.sending = sendingInfo(tcp);
  }
  if (multipath === null) return info;
  // Until here the values are the first subflow's, which others may have replaced.
  if (multipath.byteLength >= MPTCP_INFO_SIZE) {
    info.acked = Number(multipath.getBigUint64(MPTCPI_BYTES_ACKED, true));
    info.received = Number(multipath.getBigUint64(MPTCPI_BYTES_RECEIVED, true));
  }
  if (multipath.byteLength > MPTCPI_SND_UNA + 8) {
    info.isDelivered = multipath.getBigUint64(MPTCPI_WRITE_SEQ, true) ===
      multipath.getBigUint64(MPTCPI_SND_UNA, true);
  } else {
    delete info.isDelivered;
  }
  info.peerClosed = hasHungUp(libc, fd);
  delete info.isGone;
  delete info.wasReset;
  return info;
}

/** Returns the path MTU by TCP's own discovery; null where the kernel does not tell. */
export function tcpPathMtu(libc: Libc, fd: number): number | null {
  const tcp = getStruct(libc, fd, IPPROTO_TCP, TCP_INFO, TCP_INFO_SIZE);
  return tcp === null || tcp.byteLength < TCP_INFO_SIZE ? null : tcp.getUint32(TCPI_PMTU, true);
}

function sendingInfo(tcp: DataView): SendingInfo {
  const count = (at: number) => Number(tcp.getBigUint64(at, true));
  return {
    timeouts: tcp.getUint8(TCPI_RETRANSMITS),
    retransmitted: tcp.getUint32(TCPI_TOTAL_RETRANS, true),
    inFlightBytes: Math.max(
      0,
      count(TCPI_BYTES_SENT) - count(TCPI_BYTES_RETRANS) - count(TCPI_BYTES_ACKED),
    ),
    sacked: tcp.getUint32(TCPI_SACKED, true),
    delivered: tcp.getUint32(TCPI_DELIVERED, true),
    segmentsIn: tcp.getUint32(TCPI_SEGS_IN, true),
    sentMsAgo: tcp.getUint32(TCPI_LAST_DATA_SENT, true),
    heardMsAgo: tcp.getUint32(TCPI_LAST_ACK_RECV, true),
  };
}

/** Returns null unless Multipath TCP was negotiated, not only requested. */
function mptcpInfo(libc: Libc, fd: number): DataView | null {
  if (getOption(libc, fd, SOL_SOCKET, SO_PROTOCOL) !== IPPROTO_MPTCP) return null;
  // A socket that fell back to plain TCP answers EOPNOTSUPP.
  return getStruct(libc, fd, SOL_MPTCP, MPTCP_INFO, MPTCP_INFO_SIZE);
}

/** Returns what this kernel has of the struct, or null. */
function getStruct(
  libc: Libc,
  fd: number,
  level: number,
  option: number,
  room: number,
): DataView | null {
  const bytes = new Uint8Array(room);
  const length = new Uint32Array([room]);
  const lengthBytes = new Uint8Array(length.buffer);
  if (libc.getsockopt(fd, level, option, bytes, lengthBytes) < 0) return null;
  return new DataView(bytes.buffer, 0, length[0]!);
}

/** Returns true if the peer's FIN or a reset has arrived, read or not. */
export function hasHungUp(libc: Libc, fd: number): boolean {
  return (pollEvents(libc, fd) & (POLLRDHUP | POLLERR | POLLHUP)) !== 0;
}

/** Leaves an error of the socket where it is, as SO_ERROR does not. */
function pollEvents(libc: Libc, fd: number): number {
  const entry = new DataView(new ArrayBuffer(8)); // struct pollfd: i32 fd, i16 events, i16 revents
  entry.setInt32(0, fd, true);
  entry.setInt16(4, POLLRDHUP, true);
  libc.poll(new Uint8Array(entry.buffer), 0);
  return entry.getInt16(6, true);
}
