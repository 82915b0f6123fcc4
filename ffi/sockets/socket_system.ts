/**
 * Constants by which one operating system's sockets differ from another's. AF_INET (2), SOCK_STREAM
 * (1), SOCK_DGRAM (2), IPPROTO_TCP (6), IPPROTO_IPV6 (41), TCP_NODELAY (1) and SHUT_WR (1) are the
 * same on all three.
 */
export interface SocketSystem {
  readonly afInet6: number;
  /** A sockaddr begins with a byte that has its length, before a byte for the family (4.4BSD). */
  readonly hasLength: boolean;
  readonly solSocket: number;
  readonly soReuseAddr: number;
  /** Null = SO_REUSEADDR alone shares a port. */
  readonly soReusePort: number | null;
  /** Null = a port is one socket's alone unless both ask to share it. */
  readonly soExclusiveAddrUse: number | null;
  readonly soError: number;
  readonly soKeepAlive: number;
  readonly soLinger: number;
  /** Bytes of each of the two fields of struct linger. */
  readonly lingerField: 2 | 4;
  /** Null = `sendFlags` keeps signals away, or there are none. */
  readonly soNoSigPipe: number | null;
  readonly sendFlags: number;
  readonly ipv6V6Only: number;
  /** Idle seconds before the first probe, and seconds between two. */
  readonly tcpKeepIdle: number;
  readonly tcpKeepInterval: number;
  /** Bytes of `fd` in struct pollfd, behind which are two of `events` and two of `revents`. */
  readonly pollHandle: 4 | 8;
  readonly pollIn: number;
  readonly pollOut: number;
  readonly errors: SocketErrors;
}

/** Numbers of errors that code decides by. */
export interface SocketErrors {
  /** Nothing now. */
  readonly wouldBlock: number;
  /** A connect goes on by itself. */
  readonly connecting: readonly number[];
  /** The local port already has a connection to that address, or one that has just ended. */
  readonly portHasPeer: readonly number[];
}

/** Linux: asm-generic/socket.h, linux/in6.h, linux/tcp.h, asm-generic/poll.h, asm-generic/errno.h. */
export const LINUX_SOCKETS: SocketSystem = {
  afInet6: 10,
  hasLength: false,
  solSocket: 1,
  soReuseAddr: 2,
  soReusePort: 15,
  soExclusiveAddrUse: null,
  soError: 4,
  soKeepAlive: 9,
  soLinger: 13,
  lingerField: 4,
  soNoSigPipe: null,
  sendFlags: 0x4000, // MSG_NOSIGNAL
  ipv6V6Only: 26,
  tcpKeepIdle: 4,
  tcpKeepInterval: 5,
  pollHandle: 4,
  pollIn: 0x0001,
  pollOut: 0x0004,
  errors: {
    wouldBlock: 11, // EAGAIN
    connecting: [115, 4], // EINPROGRESS, EINTR
    portHasPeer: [99, 98], // EADDRNOTAVAIL, EADDRINUSE
  },
};

/**
 * macOS, not yet run: xnu's bsd/sys/socket.h, bsd/netinet6/in6.h, bsd/netinet/tcp.h, bsd/sys/poll.h
 * and bsd/sys/errno.h. Go's syscall/zerrors_darwin_arm64.go, which is made from these, has the same
 * numbers, and ztypes_darwin_arm64.go the layout of sockaddr_in and sockaddr_in6.
 */
export const DARWIN_SOCKETS: SocketSystem = {
  afInet6: 30,
  hasLength: true,
  solSocket: 0xffff,
  soReuseAddr: 0x0004,
  soReusePort: 0x0200,
  soExclusiveAddrUse: null,
  soError: 0x1007,
  soKeepAlive: 0x0008,
  soLinger: 0x0080, // ticks, of which zero are as many as zero seconds
  lingerField: 4,
  soNoSigPipe: 0x1022,
  sendFlags: 0,
  ipv6V6Only: 27,
  tcpKeepIdle: 0x10, // TCP_KEEPALIVE
  tcpKeepInterval: 0x101,
  pollHandle: 4,
  pollIn: 0x0001,
  pollOut: 0x0004,
  errors: {
    wouldBlock: 35, // EAGAIN
    connecting: [36, 4], // EINPROGRESS, EINTR
    portHasPeer: [48, 49], // EADDRINUSE, EADDRNOTAVAIL
  },
};

/**
 * Windows, not yet run: the SDK's winsock2.h (struct linger has two u_short, WSAPOLLFD begins with a
 * SOCKET of 64 bits, and of the events only POLLRDNORM and POLLWRNORM are of use), ws2def.h,
 * ws2ipdef.h and winerror.h; golang.org/x/sys/windows has the same numbers. There SO_REUSEADDR does
 * what SO_REUSEPORT does elsewhere, and any other program may take a port by it that has not
 * SO_EXCLUSIVEADDRUSE (Microsoft, "Using SO_REUSEADDR and SO_EXCLUSIVEADDRUSE").
 */
export const WINDOWS_SOCKETS: SocketSystem = {
  afInet6: 23,
  hasLength: false,
  solSocket: 0xffff,
  soReuseAddr: 0x0004,
  soReusePort: null,
  soExclusiveAddrUse: ~0x0004,
  soError: 0x1007,
  soKeepAlive: 0x0008,
  soLinger: 0x0080,
  lingerField: 2,
  soNoSigPipe: null,
  sendFlags: 0,
  ipv6V6Only: 27,
  tcpKeepIdle: 3, // since Windows 10, version 1709
  tcpKeepInterval: 17, // the same
  pollHandle: 8,
  pollIn: 0x0100, // POLLRDNORM
  pollOut: 0x0010, // POLLWRNORM
  errors: {
    wouldBlock: 10_035, // WSAEWOULDBLOCK
    connecting: [10_035],
    portHasPeer: [10_048, 10_049], // WSAEADDRINUSE, WSAEADDRNOTAVAIL
  },
};
